"""Feature extractors, whose features metrics compare instead of pixels."""
