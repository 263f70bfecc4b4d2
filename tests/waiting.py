"""Waits are for events: a file, a line, the end of a process. The limit only ends a hang."""

import time

HANG = 600.0  # seconds; a machine may be as slow as it likes


def until(event, child=None, why="it never came"):
    """The first answer of `event` that is true. AssertionError if `child` ends before, or in a hang."""
    limit = time.monotonic() + HANG
    while True:
        over = child is not None and child.poll() is not None
        if found := event():
            return found
        if over or time.monotonic() > limit:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(0.02)
