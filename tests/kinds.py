"""Cases that repeat one mechanism: some of each kind are always run, the long tail with `--slow`, in `make soak`."""

import pytest


def kinds(cases, *kept):
    """All cases as parameters; those that are not among `kept` bear the mark `slow`."""
    cases = list(cases)
    assert all(case in cases for case in kept), "no such case"
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[] if case in kept else pytest.mark.slow)
        for case in cases
    ]
