"""Checkpoints of the training state: every `every_n_steps` steps, at the step of the best objective, and at the end.

Only a state that is finite throughout is saved, so that a good checkpoint is never replaced by a diverged one. The newest
`save_last_k` checkpoints and the best one stay on the disk.
"""

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
    """Save the training state; it must be the last callback, so that a state is scored before it is saved."""

    def __init__(
        self, run: Run, every_n_steps: Annotated[int, Field(ge=1)] = 500, save_last_k: Annotated[int, Field(ge=1)] = 3
    ) -> None:
        self.run, self.every_n_steps, self.save_last_k = run, every_n_steps, save_last_k
        self.saved_best: dict[str, Any] = {}  # best_step and best_objective of the best state that is on the disk
        self.saved_step: int | None = None  # the newest state that is on the disk
        self.reported_non_finite = False

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.saved_step = trainer.global_step or None
        self._update_saved_best()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == self.run.best_step:
            self._save(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save the last state. Raises WriteError if the disk does not take it."""
        step = trainer.global_step
        if step != self.saved_step and (error := self._save(trainer, module)):
            raise self.run.write_error(f"step {step} could not be saved: {reason(error)}")

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule) -> OSError | None:
        """Save the state if it is finite, and return the disk's error if there was one."""
        step = trainer.global_step
        if name := first_non_finite(training_state(trainer, module)):
            self._restore_best(trainer)
            if not self.reported_non_finite:
                self._print(trainer, f"step {step}: {name} is not finite; nothing is saved of such a state")
            self.reported_non_finite = True
            return None
        try:
            for logger in trainer.loggers:
                logger.save()  # first, so that no checkpoint is newer than the metrics on the disk
            trainer.save_checkpoint(self.run.checkpoint_path(step))
        except OSError as error:
            trainer.strategy.barrier()  # the other ranks wait at the barrier of their save_checkpoint
            self._restore_best(trainer)
            if step != trainer.max_steps:
                newest = f"step {max(self.run.checkpoints)}" if self.run.checkpoints else "none yet"
                self._print(
                    trainer, f"step {step}: not saved: {reason(error)}; training goes on, the newest checkpoint: {newest}"
                )
            return error
        self.saved_step = step
        if trainer.is_global_zero:
            self.run.record(saved=step)
            self._update_saved_best()
            self._delete_old()
        return None

    def _delete_old(self) -> None:
        keep = [*list(self.run.checkpoints)[-self.save_last_k :], self.run.best_step]
        for step, path in self.run.checkpoints.items():
            if step not in keep:
                with suppress(OSError):  # the next save tries again
                    path.unlink()

    def _restore_best(self, trainer: pl.Trainer) -> None:
        """Set result.json back to the best state on the disk if this step was the best and could not be saved."""
        if trainer.is_global_zero and self.run.best_step == trainer.global_step:
            self.run.record(**self.saved_best)

    def _update_saved_best(self) -> None:
        result = self.run.result
        self.saved_best = {key: result.get(key) for key in ("best_step", "best_objective")}

    def _print(self, trainer: pl.Trainer, line: str) -> None:
        if trainer.is_global_zero:
            tqdm.write(line, file=sys.stderr)


def training_state(trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[tuple[str, Tensor]]:  # -> (name, (…)) each
    """Yield every tensor that training continues from: parameters, buffers, the average, the optimizers' moments."""
    yield from module.state_dict().items()
    for player, optimizer in zip(("discriminator", "generator"), trainer.optimizers, strict=True):
        for moments in optimizer.state.values():
            yield from ((f"optimizer.{player}: {name}", x) for name, x in moments.items() if isinstance(x, Tensor))


def first_non_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:  # (name, (…)) each
    """Return the name of the first tensor that contains NaN or an infinity; None if all are finite."""
    return next((name for name, x in tensors if x.is_floating_point() and not x.isfinite().all()), None)
