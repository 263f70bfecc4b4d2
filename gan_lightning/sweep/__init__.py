"""Sweeps and searches: many runs of one command, validated before the first starts and resumed by the same command."""
