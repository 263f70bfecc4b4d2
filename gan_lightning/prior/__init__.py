"""Where z comes from: one distribution a file."""
