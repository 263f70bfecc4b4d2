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

from gan_lightning.config.errors import Refused, Unwritten, refuse
from gan_lightning.storage import atomic

OUTPUT = 1  # the descriptor


@contextmanager
def ending(say: Callable[[Refused, bool], int] = refuse, debug: bool = False, foreign: bool = False) -> Iterator[None]:
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
    except Refused as error:
        sys.exit(say(error, debug))
    except OSError as error:
        if isinstance(error, BrokenPipeError) and unread():
            sys.exit(128 + signal.SIGPIPE)
        if foreign and error.errno not in atomic.FAILING:
            raise
        sys.exit(say(blamed(error), debug))
    finally:
        dropped()


def blamed(error: OSError) -> Refused:
    """The file and the cause. What the filesystem fails in is no mistake of a person's."""
    kind = Unwritten if error.errno in atomic.FAILING else Refused
    where = "output" if error.filename is None and kind is Unwritten else error.filename
    return kind(atomic.why(error) if where is None else f"{os.fsdecode(where)}: {atomic.why(error)}")


def unread() -> bool:
    """Whether who read the output has left: a pipe without a reader is in error."""
    poll = select.poll()
    poll.register(OUTPUT, 0)
    return bool(poll.poll(0))


def dropped() -> None:
    """What can't be printed goes nowhere, lest Python complain of it at its very end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)


def writable(out: Path, folder: bool = False, made: bool = True) -> None:
    """Before any work: `out` is a file that can be written, or, as a `folder`, can hold some. Raises Refused.

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
    raise Refused(f"out={out}: {why}")
