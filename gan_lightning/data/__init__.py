"""Real samples: one source a file."""
