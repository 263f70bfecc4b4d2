"""A signal asks the run to end: it ends after the iteration, saved, never between D's step and G's.

SIGINT (Ctrl-C), SIGTERM, and the two that clusters send before they take the machine away, SIGUSR1 and SIGUSR2. A second SIGINT
interrupts at once. Several processes end at the same step, whichever of them heard the signal, or had another reason.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from gan_lightning.distributed.stopping import StopAgreement
from gan_lightning.run.directory import Run, Verdict

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Preemption(pl.Callback):
    """Stands first among the callbacks, to hear what comes while others get ready. `caught`: what has come, if anything."""

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self.previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After Lightning has set its own handlers, which would save in the middle of an iteration and exit with 0."""
        for number in SIGNALS:
            self.previous[number] = signal.signal(number, self._catch)
        connector = trainer._signal_connector
        if connector.received_sigterm:  # while Lightning got ready; it would leave with exit code 0
            connector.received_sigterm, self.caught = False, signal.SIGTERM

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.caught is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = signal.Signals(number)

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}


class SynchronizedStop(pl.Callback):
    """Stands behind all that may want to end the run: whether it ends behind this iteration, on every rank alike."""

    def __init__(self, run: Run, preemption: Preemption) -> None:
        self.run, self.preemption, self.agreement = run, preemption, StopAgreement()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.agreement = StopAgreement()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        caught, verdict = self.preemption.caught, self.run.verdict
        wish = {"signal": caught, "verdict": verdict} if caught or trainer.should_stop else None
        end = self.agreement.reached(trainer.global_step, wish)
        trainer.should_stop = end is not None
        if end is not None:
            self.preemption.caught = signal.Signals(end["signal"]) if end["signal"] else None
            self.run.verdict = Verdict(*end["verdict"]) if end["verdict"] else None
