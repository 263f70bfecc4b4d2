"""Callbacks that measure, log, save and stop a training run: one per file."""
