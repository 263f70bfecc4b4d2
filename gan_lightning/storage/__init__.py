"""File access: atomic writes, and loading that never runs code from a file."""
