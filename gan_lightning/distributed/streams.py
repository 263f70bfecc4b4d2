"""Standard output and standard error that end no process: what they do not take is dropped.

A reader leaves (`2>&1 | head -1`), a terminal closes, the disk under a log is full, a descriptor was closed by `2>&-`: a run
that has trained for days does not end for that, and its bar returns if there is room again. Standard output raises its errors
in a command whose output is its product (cli/exit_codes.py).
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DESCRIPTORS = {"stdin": 0, "stdout": 1, "stderr": 2}


class DroppingFile(io.FileIO):
    """Write to a file descriptor, and drop what it does not take, or not now; it stays open at the end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: ReadableBuffer) -> int:
        written = None
        with suppress(OSError):
            written = super().write(data)
        return memoryview(data).nbytes if written is None else written


def open_closed_descriptors() -> None:
    """Open /dev/null for each standard descriptor that is closed.

    Otherwise the next file that is opened would have its number, and what libraries print would be written into that file.
    """
    for descriptor in DESCRIPTORS.values():
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number, which is this one


def drop_what_fails(name: Literal["stdout", "stderr"], errors: str) -> None:
    """Replace `sys.stdout` or `sys.stderr` by a stream that raises nothing; `errors` is its error handler for encoding.

    One that does not belong to the standard descriptor is left as it is: that of a notebook, or of a rank that prints nothing.
    """
    stream, descriptor = getattr(sys, name), DESCRIPTORS[name]
    if stream is not None:
        try:
            if stream.fileno() != descriptor or not isinstance(stream, io.TextIOWrapper):
                return
        except (OSError, ValueError):  # it has no descriptor
            return
        with suppress(OSError):
            stream.flush()
    unbuffered = stream is not None and stream.write_through  # PYTHONUNBUFFERED
    raw = DroppingFile(descriptor)
    raw.name = f"<{name}>"
    dropping = io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=None if stream is None else stream.encoding,
        errors=errors,
        line_buffering=name == "stderr" or raw.isatty(),
        write_through=unbuffered,
    )
    setattr(sys, name, dropping)
    setattr(sys, f"__{name}__", dropping)  # or the flush of the replaced stream would fail at the end of the process
