"""One run directory: its files, its lock, its checkpoints."""
