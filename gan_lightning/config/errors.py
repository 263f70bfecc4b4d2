"""Where configs live, and how a command line becomes one: a plain dict that is checked and built from.

Only Hydra and OmegaConf are imported here, so that `--help` and `--cfg job` answer at once.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Iterable

from hydra.errors import OverrideParseException


class UserError(Exception):
    """What a person asked for can't be done: one line a mistake, exit code 2."""

    code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class WriteError(UserError):
    """What was made can't be kept: the disk is full, or its filesystem fails. A sentence, and an exit code of its own."""

    code = 74  # EX_IOERR in sysexits.h


def print_user_error(error: UserError, debug: bool = False) -> int:
    """One line a mistake on stderr; the exit code."""
    if debug:
        traceback.print_exc()
    for line in error.lines:
        print(line, file=sys.stderr)
    return error.code


def suggest(word: str, words: Iterable[str]) -> str:
    """How a refusal ends: the word that was probably meant, and what stands beside it."""
    known = sorted(set(words))
    parent, _, leaf = word.rpartition(".")
    leaves = {key.rpartition(".")[2]: key for key in reversed(known)}
    near = difflib.get_close_matches(word, known, 1, 0.7) or [
        leaves[k] for k in difflib.get_close_matches(leaf, leaves, 1, 0.65)
    ]
    beside = [key for key in known if key.rpartition(".")[0] == (near[0].rpartition(".")[0] if near else parent)]
    beside = beside or [key for key in known if "." not in key]
    guess = [f"did you mean {near[0]}?"] if near else []
    return " ".join([*guess, f"allowed: {', '.join(key.rpartition('.')[2] for key in beside) or 'nothing'}"])


def one_line(error: BaseException) -> str:
    """The first line of what a library says; where a command line can't be read, also why."""
    said = [line for line in str(error).splitlines() if line.strip()]
    return "; ".join(said[: 2 if isinstance(error, OverrideParseException) else 1]) or type(error).__name__
