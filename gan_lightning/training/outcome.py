"""Decide how a training run ended: finished, failed, stopped or preempted, and with which exit code."""

from __future__ import annotations

import signal
from typing import Literal, NamedTuple

import pytorch_lightning as pl

from gan_lightning.callback.preemption import Preemption
from gan_lightning.run.directory import Run


class Outcome(NamedTuple):
    """Hold the status and the reason that result.json records, and the signal that ended training, if one did."""

    status: Literal["finished", "failed", "stopped", "preempted"]
    reason: str | None
    signal: signal.Signals | None

    @property
    def exit_code(self) -> int:
        """Return 0 for a finished run, 1 for a failed one, 128 + the signal's number otherwise."""
        return {"finished": 0, "failed": 1}.get(self.status, 128 + self.signal if self.signal else 0)


def outcome_of(run: Run, trainer: pl.Trainer) -> Outcome:
    """Return the outcome of `trainer.fit`: a callback's verdict first, then the number of steps, then the signal."""
    caught = next(c.caught for c in trainer.callbacks if isinstance(c, Preemption))  # type: ignore[attr-defined]
    if run.verdict is not None:
        return Outcome(*run.verdict, caught)
    if trainer.global_step >= trainer.max_steps:
        return Outcome("finished", None, caught)
    interrupted = caught in (None, signal.SIGINT)
    return Outcome("stopped" if interrupted else "preempted", caught.name if caught else None, caught)
