"""The suites of scripts/benchmark.py, and what they share: paired timing, and loops to compare with."""
