"""Signals that stop a run: it ends after the current iteration and is saved, never between D's step and G's.

These are all that would end the process: Ctrl-C, a closed terminal, `kill`, what a cluster sends before it takes the machine
away, a limit of CPU time. The first one counts; a second SIGINT interrupts at once. All ranks end at the same step, whichever
of them received the signal or had another reason.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from gan_lightning.distributed.stopping import StopAgreement, catchable_signals, ending
from gan_lightning.run.directory import Run, Verdict


class Preemption(pl.Callback):
    """Catch signals in `caught`; it must be the first callback, so that none is lost while the others prepare."""

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self.interrupted = False
        self.previous_handlers: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Replace the handlers that Lightning has just set: they save in the middle of an iteration and exit with 0."""
        for number in catchable_signals():
            self.previous_handlers[number] = signal.signal(number, self._catch)
        connector = trainer._signal_connector
        if connector.received_sigterm:  # before this hook; Lightning would exit with 0
            connector.received_sigterm, self.caught = False, signal.SIGTERM

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.interrupted = self.interrupted or number == signal.SIGINT
        self.caught = self.caught or signal.Signals(number)
        ending[:] = [self.caught]

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)
        self.previous_handlers = {}


class SynchronizedStop(pl.Callback):
    """End training at the same step on every rank; it must follow every callback that may request the end."""

    def __init__(self, run: Run, preemption: Preemption) -> None:
        self.run, self.preemption, self.agreement = run, preemption, StopAgreement()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.agreement = StopAgreement()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        caught, verdict = self.preemption.caught, self.run.verdict
        request = {"signal": caught, "verdict": verdict} if caught or trainer.should_stop else None
        end = self.agreement.reached(trainer.global_step, request)
        trainer.should_stop = end is not None
        if end is not None:
            self.preemption.caught = signal.Signals(end["signal"]) if end["signal"] else None
            self.run.verdict = Verdict(*end["verdict"]) if end["verdict"] else None
