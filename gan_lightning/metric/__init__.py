"""Metrics of generated samples, one per file."""
