"""Adversarial losses: one objective per file."""
