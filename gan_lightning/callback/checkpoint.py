"""Saves every so many steps and at the end; keeps the newest few and the best by the objective."""

from __future__ import annotations

from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field

from gan_lightning.run import Run


class Checkpoint(pl.Callback):
    """Stands last among the callbacks: what it saves has been scored."""

    def __init__(self, run: Run, every: Annotated[int, Field(ge=1)] = 500, keep: Annotated[int, Field(ge=1)] = 3) -> None:
        self.run, self.every, self.keep = run, every, keep

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == self.run.best_step:
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.global_step not in self.run.checkpoints:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.run.checkpoint_path(trainer.global_step))
        if trainer.is_global_zero:
            kept = [*list(self.run.checkpoints)[-self.keep :], self.run.best_step]
            for step, path in self.run.checkpoints.items():
                if step not in kept:
                    path.unlink(missing_ok=True)
