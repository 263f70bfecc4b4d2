"""How a process ends on a signal, and how several ranks end at the same step.

No rank may end alone, because the others would wait for its gradients for ever. A rank that has to end publishes a request, and
all ranks end two steps later.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gan_lightning.distributed.slurm import requeue

AHEAD = 2  # steps: no rank is more than one step ahead of another, because they share their gradients
NAMES = ("HUP", "INT", "QUIT", "ABRT", "ALRM", "TERM", "USR1", "USR2", "VTALRM", "PROF", "IO", "XCPU", "PWR", "STKFLT")
SIGNALS = tuple(  # all that end a process unless it catches them, without those of a fault in the program, such as SIGSEGV
    signal.Signals[f"SIG{name}"] for name in NAMES if f"SIG{name}" in signal.Signals.__members__
)
ALWAYS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # caught even if they were ignored at the start
ending: list[signal.Signals] = []  # the signal that ends this process; later ones must not interrupt its saving


class Preempted(SystemExit):
    """Raise for a signal that arrives before there is a state to save; the exit code is 128 + the signal's number."""

    def __init__(self, caught: signal.Signals) -> None:
        super().__init__(128 + caught)
        self.caught = caught


def leave(number: int, _: FrameType | None) -> None:
    """Raise Preempted, as the handler of a signal, unless an earlier signal is ending this process."""
    if not ending:
        ending.append(signal.Signals(number))
        raise Preempted(ending[0])


def catchable_signals() -> list[signal.Signals]:
    """Return the signals to catch: without those that this process was started to ignore, as by `nohup`, or has a use for."""
    return [n for n in SIGNALS if n in ALWAYS or signal.getsignal(n) in (signal.SIG_DFL, leave)]


def ignore_signals() -> None:
    """Ignore the signals that would end this process."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def exit_on_signal() -> Iterator[None]:
    """Turn every signal that would end this process, except SIGINT, into Preempted until training installs its own handlers.

    Rank 0 of a SLURM job requeues the job. After a signal the handlers remain: a second one must not change the exit code.
    While the interpreter ends, which takes a good part of a second, signals are ignored: the work is done.
    """
    ending.clear()
    atexit.unregister(ignore_signals)
    atexit.register(ignore_signals)
    previous = {number: signal.signal(number, leave) for number in catchable_signals() if number is not signal.SIGINT}
    try:
        yield
    except Preempted as error:
        if os.environ.get("RANK", "0") == "0" and (job := requeue(error.caught)):
            print(f"job {job} is queued again")
        raise
    finally:
        if not ending:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Block the signals in this thread and in processes that it starts here, until these call `unblock_signals`.

    So none ends a process that has not yet installed its handlers, or is lost while its starter knows only some of several.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Deliver the signals that were blocked in this process since its start."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class StopAgreement:
    """Share requests to end training among the ranks, over the store of their process group; alone, without one."""

    def __init__(self) -> None:
        import torch.distributed as dist
        from torch.distributed import distributed_c10d

        shared = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self.store = distributed_c10d.PrefixStore("gan", distributed_c10d._get_default_store()) if shared else None

    def reached(self, step: int, request: dict[str, Any] | None) -> dict[str, Any] | None:
        """Publish this rank's request, if any, and return the first one once `step` is the step where all ranks end."""
        if self.store is None:
            return request
        if request is not None:
            self.store.compare_set("end", "", json.dumps({"at": step + AHEAD} | request))
        if not self.store.check(["end"]):
            return None
        end: dict[str, Any] = json.loads(self.store.get("end"))
        return end if step >= end["at"] else None
