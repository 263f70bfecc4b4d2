"""Formats of samples: how each kind of sample is drawn, and written as a file of its own kind."""
