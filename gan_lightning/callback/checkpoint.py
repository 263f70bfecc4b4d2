"""Saves every so many steps and at the end, if all of it is finite; keeps the newest few and the best by the objective."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from gan_lightning.run import Run


class Checkpoint(pl.Callback):
    """Stands last among the callbacks: what it saves has been scored."""

    def __init__(self, run: Run, every: Annotated[int, Field(ge=1)] = 500, keep: Annotated[int, Field(ge=1)] = 3) -> None:
        self.run, self.every, self.keep = run, every, keep
        self.best: dict[str, Any] = {}  # step and objective of the best that is saved
        self.refused = False

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._remember()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == self.run.best_step:
            self._save(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.global_step not in self.run.checkpoints:
            self._save(trainer, module)

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        step = trainer.global_step
        if name := spoilt(state(trainer, module)):
            if trainer.is_global_zero and self.run.best_step == step:
                self.run.record(**self.best)
            if trainer.is_global_zero and not self.refused:
                tqdm.write(f"step {step}: {name} is not finite; nothing is saved of such a state", file=sys.stderr)
            self.refused = True
            return
        for logger in trainer.loggers:
            logger.save()  # what was logged up to here is on the disk as soon as the state is
        trainer.save_checkpoint(self.run.checkpoint_path(step))
        if trainer.is_global_zero:
            self._remember()
            kept = [*list(self.run.checkpoints)[-self.keep :], self.run.best_step]
            for saved, path in self.run.checkpoints.items():
                if saved not in kept:
                    path.unlink(missing_ok=True)

    def _remember(self) -> None:
        result = self.run.result
        self.best = {key: result.get(key) for key in ("best_step", "best_objective")}


def state(trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[tuple[str, Tensor]]:
    """Everything that training goes on from: parameters, buffers, the average, the optimizers' moments."""
    yield from module.state_dict().items()
    for player, optimizer in zip(("discriminator", "generator"), trainer.optimizers, strict=True):
        for moments in optimizer.state.values():
            yield from ((f"optimizer.{player}: {name}", x) for name, x in moments.items() if isinstance(x, Tensor))


def spoilt(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The first that holds NaN or an infinity; None: none does."""
    return next((name for name, x in tensors if x.is_floating_point() and not x.isfinite().all()), None)
