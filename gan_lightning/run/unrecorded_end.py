"""The end of a run whose process did not record it: killed, out of memory, ended before it had a state to save.

Another process may train the run by now, such as a second sweep's. Therefore result.json is written here, as everywhere, under
the run's lock only.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gan_lightning.distributed.stopping import SIGNALS, Preempted
from gan_lightning.run import lock
from gan_lightning.run.directory import Run
from gan_lightning.storage import atomic

NO_REASON = "ended without a recorded reason"


@contextmanager
def locked_if_free(run: Run, ended_job: str = "") -> Iterator[bool]:
    """Lock the run, and return whether that succeeded; a disk that can't hold the lock is reported on stderr.

    `ended_job` is the id of SLURM's job that trained the run and has ended.
    """
    with ExitStack() as stack:
        free = False
        try:
            stack.enter_context(lock.locked(run.path, ended_job))
            free = True
        except lock.LockedError:
            pass
        except OSError as error:
            print(f"{run.path / 'result.json'}: not written: {atomic.reason(error)}", file=sys.stderr)
        yield free


def record_end(run: Run, status: str, reason: str, ended_job: str = "") -> None:
    """Record status and reason of a run that no process trains, if its status is still `running`."""
    with locked_if_free(run, ended_job) as free:
        if free and run.result.get("status") == "running":
            run.record(status=status, reason=reason)


def record_exit_code(run: Run, code: int | None) -> None:
    """Record the end of a run by its process's exit code, negative if a signal killed it, if its status is still `running`."""
    if code is not None and code - 128 in SIGNALS:
        record_end(run, "preempted", signal.Signals(code - 128).name)
    else:
        record_end(run, "failed", f"killed by {signal.Signals(-code).name}" if code and code < 0 else NO_REASON)


@contextmanager
def preemption_recorded(run: Run) -> Iterator[None]:
    """Record a run as preempted if a signal ends this process in the block, before training has begun."""
    try:
        yield
    except Preempted as error:
        record_end(run, "preempted", error.caught.name)
        raise
