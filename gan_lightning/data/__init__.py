"""Real data: one source per file."""
