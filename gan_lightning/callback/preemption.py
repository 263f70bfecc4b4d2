"""A signal asks the run to end: it ends after the iteration, saved, never between D's step and G's.

SIGINT (Ctrl-C) and SIGTERM. A second SIGINT interrupts at once.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl

WATCHED = (signal.SIGINT, signal.SIGTERM)


class Preemption(pl.Callback):
    """`caught` is the signal that ended training, if one did."""

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self.previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After Lightning has set its own handlers, which would save in the middle of an iteration and exit with 0."""
        for number in WATCHED:
            self.previous[number] = signal.signal(number, self._catch)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.caught is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = signal.Signals(number)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if self.caught is not None:
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}
