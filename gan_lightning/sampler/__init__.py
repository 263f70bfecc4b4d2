"""Samplers, which choose among a trained generator's samples by its discriminator."""
