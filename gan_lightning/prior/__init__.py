"""Distributions of the latents z: one per file."""
