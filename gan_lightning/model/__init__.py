"""Architectures: one pair of generator and discriminator per file."""
