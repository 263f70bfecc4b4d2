"""Saves every so many steps and at the end, if all of it is finite; keeps the newest few and the best by the objective."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from gan_lightning.run.directory import Run
from gan_lightning.storage.atomic import reason


class Checkpoint(pl.Callback):
    """Stands last among the callbacks: what it saves has been scored."""

    def __init__(
        self, run: Run, every_n_steps: Annotated[int, Field(ge=1)] = 500, save_last_k: Annotated[int, Field(ge=1)] = 3
    ) -> None:
        self.run, self.every_n_steps, self.save_last_k = run, every_n_steps, save_last_k
        self.best: dict[str, Any] = {}  # step and objective of the best that is saved
        self.refused = False
        self.saved: int | None = None  # the step whose state lies on the disk

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.saved = trainer.global_step or None
        self._remember()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == self.run.best_step:
            self._save(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Raises Unwritten if the last state can't be saved."""
        step = trainer.global_step
        if step != self.saved and (error := self._save(trainer, module)):
            raise self.run.write_error(f"step {step} could not be saved: {reason(error)}")

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule) -> OSError | None:
        """Answers with what the disk said, if it did not take it."""
        step = trainer.global_step
        if name := spoilt(state(trainer, module)):
            self._forget(trainer)
            if not self.refused:
                self._tell(trainer, f"step {step}: {name} is not finite; nothing is saved of such a state")
            self.refused = True
            return None
        try:
            for logger in trainer.loggers:
                logger.save()  # what was logged up to here is on the disk as soon as the state is
            trainer.save_checkpoint(self.run.checkpoint_path(step))
        except OSError as error:
            trainer.strategy.barrier()  # the other processes wait for this one in their save_checkpoint
            self._forget(trainer)
            if step != trainer.max_steps:
                there = f"step {max(self.run.checkpoints)}" if self.run.checkpoints else "none yet"
                self._tell(
                    trainer, f"step {step}: not saved: {reason(error)}; training goes on, the newest checkpoint: {there}"
                )
            return error
        self.saved = step
        if trainer.is_global_zero:
            self.run.record(saved=step)
            self._remember()
            kept = [*list(self.run.checkpoints)[-self.save_last_k :], self.run.best_step]
            for saved, path in self.run.checkpoints.items():
                if saved not in kept:
                    with suppress(OSError):  # it is tried again after the next save
                        path.unlink()
        return None

    def _forget(self, trainer: pl.Trainer) -> None:
        """The best is one that is saved."""
        if trainer.is_global_zero and self.run.best_step == trainer.global_step:
            self.run.record(**self.best)

    def _tell(self, trainer: pl.Trainer, line: str) -> None:
        if trainer.is_global_zero:
            tqdm.write(line, file=sys.stderr)

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
