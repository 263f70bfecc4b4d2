"""Regularization terms beside the loss: one per file."""
