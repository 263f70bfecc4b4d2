"""Terms beside the loss: one penalty a file."""
