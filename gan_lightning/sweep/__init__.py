"""Many runs: all checked before the first, resumed by the same command, read on one page, searched."""
