"""How every command ends: nothing, a line, or a line a mistake on stderr, and an exit code that says whose turn it is.

0    it is done
2    a person's: what was asked for can't be done
74   the disk's: it is full, or fails, under whatever was to be written (EX_IOERR in sysexits.h)
141  nobody's: who reads what is printed has had enough, as `head` has (128 + SIGPIPE)
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_lightning.config.errors import UserError, WriteError, print_user_error
from gan_lightning.storage import atomic

OUTPUT = 1  # the descriptor


@contextmanager
def exit_codes(
    say: Callable[[UserError, bool], int] = print_user_error, debug: bool = False, foreign: bool = False
) -> Iterator[None]:
    """Make an exit code of what goes wrong meanwhile.

    `foreign`: code that isn't ours runs too, so that an OSError is told in a line only where the disk is to blame.
    """
    try:
        try:
            yield
        except SystemExit as stop:
            if not stop.code:
                print(end="", flush=True)
            raise
        print(end="", flush=True)
    except UserError as error:
        sys.exit(say(error, debug))
    except OSError as error:
        if isinstance(error, BrokenPipeError) and reader_has_left():
            sys.exit(128 + signal.SIGPIPE)
        if foreign and error.errno not in atomic.FAILING:
            raise
        sys.exit(say(as_user_error(error), debug))
    finally:
        drop_unprinted()


def as_user_error(error: OSError) -> UserError:
    """The file and the cause. What the filesystem fails in is no mistake of a person's."""
    kind = WriteError if error.errno in atomic.FAILING else UserError
    where = "output" if error.filename is None and kind is WriteError else error.filename
    return kind(atomic.reason(error) if where is None else f"{os.fsdecode(where)}: {atomic.reason(error)}")


def reader_has_left() -> bool:
    """Whether who read the output has left: a pipe without a reader is in error."""
    poll = select.poll()
    poll.register(OUTPUT, 0)
    return bool(poll.poll(0))


def drop_unprinted() -> None:
    """What can't be printed goes nowhere, lest Python complain of it at its very end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)


def require_writable(out: Path, folder: bool = False, made: bool = True) -> None:
    """Before any work: `out` is a file that can be written, or, as a `folder`, can hold some. Raises UserError.

    `made`: the folders that lack will be made.
    """
    within = out if folder else out.parent
    there = next((path for path in (within, *within.parents) if path.exists()), Path())
    if not there.is_dir():
        why = f"{there} is no folder"
    elif there != within and not made:
        why = f"there is no folder {within}"
    elif not os.access(there, os.W_OK):
        why = f"{there} is not writable"
    elif not folder and out.exists() and not out.is_file():
        why = "is no file"
    else:
        return
    raise UserError(f"out={out}: {why}")
