"""The errors that a command prints as one line per mistake, and the suggestions at the end of such a line.

Imports nothing heavier than one of Hydra's exceptions, so that `--help` and `--cfg job` start fast.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Iterable

from hydra.errors import OverrideParseException

from gan_lightning.storage.printable import printable


class UserError(Exception):
    """Signal mistakes that the user can correct: one line each, exit code 2.

    A line may contain text of a file or a file's name: its control characters, line ends among them, are shown as escapes.
    """

    code = 2

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(map(printable, lines))
        super().__init__("\n".join(self.lines))


class WriteError(UserError):
    """Signal that a file can't be written because the disk is full or its filesystem fails: exit code 74."""

    code = 74  # EX_IOERR in sysexits.h


def print_user_error(error: UserError, debug: bool = False) -> int:
    """Print the error's lines on stderr, after a traceback if `debug`, and return its exit code."""
    if debug:
        traceback.print_exc()
    for line in error.lines:
        print(line, file=sys.stderr)
    return error.code


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Return the end of an error line for an unknown name: the nearest allowed one, if any, and all those at its level.

    One that contains the name is near, too. Names may be dotted keys: of these, the keys beside the nearest one are listed by
    their last part.
    """
    names = sorted(set(allowed))
    parent, _, leaf = name.rpartition(".")
    leaves = {key.rpartition(".")[2]: key for key in reversed(names)}
    nearest = difflib.get_close_matches(name, names, 1, 0.7) or [
        leaves[k]
        for k in difflib.get_close_matches(leaf, leaves, 1, 0.65) or [k for k in leaves if len(leaf) > 3 and leaf in k][:1]
    ]
    level = nearest[0].rpartition(".")[0] if nearest else parent
    siblings = [key for key in names if key.rpartition(".")[0] == level] or [key for key in names if "." not in key]
    guess = [f"did you mean {nearest[0]}?"] if nearest else []
    return " ".join([*guess, f"allowed: {', '.join(key.rpartition('.')[2] for key in siblings) or 'nothing'}"])


def one_line(error: BaseException) -> str:
    """Return the first line of an exception's message as it may be printed, or its class name without one.

    For an override that can't be parsed the second line, which contains the reason, is appended.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    return "; ".join(map(printable, lines[: 2 if isinstance(error, OverrideParseException) else 1])) or type(error).__name__
