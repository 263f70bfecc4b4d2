"""The exit codes of every command, and the lines on stderr that explain them.

0    success
2    the command can't do what was requested, and the user can correct the request (UserError)
74   the disk is full, or its filesystem fails, whatever file was to be written (WriteError; EX_IOERR in sysexits.h)
141  the reader of the command's output has closed the pipe, as `head` does (128 + SIGPIPE); training goes on without a reader
128 + n  signal n has ended the command, and training has saved its state
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
from gan_lightning.config.threads import environment_threads
from gan_lightning.distributed.environment import settle_rank_variables
from gan_lightning.distributed.process import prepare_process, use_utf8
from gan_lightning.storage import atomic

STDOUT = 1  # its file descriptor


@contextmanager
def exit_codes(
    report: Callable[[UserError, bool], int] = print_user_error, debug: bool = False, foreign: bool = False
) -> Iterator[None]:
    """Exit with the code of an error that is raised in this block, after `report` has printed it.

    A value of OMP_NUM_THREADS that is no number is such an error, before the block begins, and so are incomplete variables of
    a rank.

    `foreign`: code of others runs in the block, so that an OSError is reported as a line only if the filesystem fails, and
    raised again otherwise.
    """
    use_utf8()
    prepare_process()
    try:
        try:
            settle_rank_variables()
            environment_threads()
            yield
        except SystemExit as stop:
            if not stop.code:
                print(end="", flush=True)
            raise
        print(end="", flush=True)
    except UserError as error:
        sys.exit(report(error, debug))
    except OSError as error:
        if isinstance(error, BrokenPipeError) and reader_has_left():
            sys.exit(128 + signal.SIGPIPE)
        if foreign and error.errno not in atomic.FAILING:
            raise
        sys.exit(report(as_user_error(error), debug))
    finally:
        drop_unprinted()


def as_user_error(error: OSError) -> UserError:
    """Convert an OSError into a line with file and reason: a WriteError if the filesystem fails, otherwise a UserError."""
    kind = WriteError if error.errno in atomic.FAILING else UserError
    name = "output" if error.filename is None and kind is WriteError else error.filename
    return kind(atomic.reason(error) if name is None else f"{os.fsdecode(name)}: {atomic.reason(error)}")


def reader_has_left() -> bool:
    """Return whether stdout is a pipe without a reader, which polls as an error."""
    poll = select.poll()
    poll.register(STDOUT, 0)
    return bool(poll.poll(0))


def drop_unprinted() -> None:
    """Redirect stdout to /dev/null if it can't be flushed, because Python would print an error at its exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def require_writable(out: Path, folder: bool = False, create_folders: bool = True) -> None:
    """Check, before any work, that `out` can be written: a file, or a `folder` for several.

    `create_folders`: missing folders will be created later. Raises UserError.
    """
    parent = out if folder else out.parent
    existing = next((path for path in (parent, *parent.parents) if path.exists()), Path())
    if not existing.is_dir():
        why = f"{existing} is no folder"
    elif existing != parent and not create_folders:
        why = f"there is no folder {parent}"
    elif not os.access(existing, os.W_OK):
        why = f"{existing} is not writable"
    elif not folder and out.exists() and not out.is_file():
        why = "is no file"
    else:
        return
    raise UserError(f"out={out}: {why}")
