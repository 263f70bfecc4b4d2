"""Those who watch a run: one watcher a file."""
