"""How good the samples are: one score a file."""
