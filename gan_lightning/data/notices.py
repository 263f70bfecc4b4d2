"""Notices: what was done with the data that a person may not expect, one line each on stderr."""

from __future__ import annotations

import os
import sys
from functools import cache

from gan_lightning.storage.printable import printable


@cache
def print_notice(line: str) -> None:
    """Print the line on stderr, once in a process and on rank 0 only: a folder is listed several times in one command."""
    if os.environ.get("RANK", "0") == "0":
        print(printable(line), file=sys.stderr)


def abbreviate(names: list[str], limit: int = 5) -> str:
    """Join the first few names, and the number of the others."""
    more = [f"and {len(names) - limit:,} more"] if len(names) > limit else []
    return ", ".join([*map(printable, names[:limit]), *more])
