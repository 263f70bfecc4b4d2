"""Scalars of training: losses, logits, penalties, gradient norms and speed, in one transfer from the device per row."""

from __future__ import annotations

import time
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pydantic import Field
from torch.nn.utils import get_total_norm

from gan_lightning.gan import GAN, Terms
from gan_lightning.step.types import Batch


class Scalars(pl.Callback):
    """Log every `every_n_steps` steps, and at the first and the last.

    Tags: loss/d, loss/g, logits/real, logits/fake, regularizer/<name>/<player>, gradient/d, gradient/g,
    speed/images_per_second, optimizer/learning_rate.
    """

    def __init__(self, every_n_steps: Annotated[int, Field(ge=1)] = 50) -> None:
        self.every_n_steps = every_n_steps
        self.last_log, self.samples_since = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.last_log, self.samples_since = time.monotonic(), 0

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        self.samples_since += len(batch.real) * trainer.world_size
        step = trainer.global_step
        if step % self.every_n_steps and step not in (1, trainer.max_steps):
            return
        assert isinstance(module, GAN)
        values = read_terms(outputs, module)
        if step > 1:
            values["speed/images_per_second"] = self.samples_since / (time.monotonic() - self.last_log)
        values["optimizer/learning_rate"] = trainer.optimizers[1].param_groups[0]["lr"]
        self.last_log, self.samples_since = time.monotonic(), 0
        for logger in trainer.loggers:
            logger.log_metrics(values, step)


def read_terms(terms: Terms, gan: GAN) -> dict[str, float]:
    """Return the mean of each term and the norm of each player's gradient, averaged over all ranks.

    The gradients are those of the last update: they stay in `.grad` until the next one.
    """
    values = {name: term.float().mean() for name, term in terms.items()}
    for key, player in (("gradient/d", gan.discriminator), ("gradient/g", gan.generator)):
        values[key] = get_total_norm([p.grad for p in player.parameters() if p.grad is not None])
    means = torch.stack(list(values.values()))
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(means, dist.ReduceOp.AVG if means.is_cuda else dist.ReduceOp.SUM)
        means = means if means.is_cuda else means / dist.get_world_size()
    return dict(zip(values, means.tolist(), strict=True))
