"""The number of threads that a user requests: the key `threads`, and the environment variable OMP_NUM_THREADS.

Imports nothing heavy, because every command checks the variable before it loads torch: OpenMP would print a warning of its own
for a value that it can't read, and then ignore it.
"""

from __future__ import annotations

import os
import re

from gan_lightning.config.errors import UserError

AUTO = "auto"  # the value of `threads` that leaves the decision to the start of the run
VARIABLE = "OMP_NUM_THREADS"
MOST = 1024  # the same on every machine, because a run of a large one is evaluated on a small one too
CURE = "set it to a whole number such as 1, or unset it"


def environment_threads() -> int | None:
    """Return the number of threads that OMP_NUM_THREADS sets; None if it is unset. Raises UserError for any other value."""
    value = os.environ.get(VARIABLE)
    if value is None:
        return None
    if mistake := find_variable_mistake(value):
        raise UserError(f"{VARIABLE}: {mistake}; {CURE}")
    return int(value.partition(",")[0])


def find_variable_mistake(value: str) -> str | None:
    """Return what is wrong with a value of OMP_NUM_THREADS, or None.

    OpenMP also reads a list such as `4,2`, for regions inside others; its first number counts.
    """
    numbers = value.split(",")
    if not all(re.fullmatch(r"0{0,9}[1-9][0-9]{0,8}", number) for number in numbers):
        return f"{value!r} is no number of threads"
    if max(map(int, numbers)) > MOST:
        return f"{value!r} is more than {MOST} threads"
    return None
