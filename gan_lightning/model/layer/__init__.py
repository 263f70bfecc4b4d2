"""Layers and helpers that several architectures share."""
