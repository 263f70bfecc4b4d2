"""SLURM: a job that is taken away comes back, once, and goes on in the same run directory.

The script is run again as it stands: `gan-train hydra.run.dir=…` or `run=…` finds its checkpoint. Only the first rank asks.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 20  # seconds for SLURM's own commands
WATCHED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class TakenAway(SystemExit):
    """A signal that came before there was anything to save."""

    def __init__(self, caught: signal.Signals) -> None:
        super().__init__(128 + caught)
        self.caught = caught


@contextmanager
def heeded() -> Iterator[None]:
    """From the first moment on no signal kills this process unheard; training has a gentler way of its own."""

    def leave(number: int, _: FrameType | None) -> None:
        raise TakenAway(signal.Signals(number))

    kept = {number: signal.signal(number, leave) for number in WATCHED}
    try:
        yield
    except TakenAway as away:
        if queued := requeue(away.caught):
            print(f"job {queued} is queued again")
        raise
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def requeue(caught: signal.Signals) -> str | None:
    """Ask SLURM to run this job again. Returns the job's id; None: there is none, or it was ended on purpose.

    SIGUSR1 and SIGUSR2 announce the end of the job's time (`sbatch --signal=USR1@60`). SIGTERM is either a preemption, during
    which the job still counts as running, or the end: of a cancelled job, or of one whose time is up.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or caught is signal.SIGINT:
        return None
    if caught is signal.SIGTERM and "JobState=RUNNING" not in scontrol("show", "job", job):
        return None
    scontrol("requeue", job)
    return job


def scontrol(*words: str) -> str:
    """What SLURM says; empty if it can't be asked."""
    try:
        said = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout
