"""Augmentations of the discriminator's input: one per file."""
