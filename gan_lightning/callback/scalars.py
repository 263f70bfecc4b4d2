"""Losses, logits, penalties, gradient norms and speed, every so many steps: one transfer from the device each time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.gan import GAN, Terms
from gan_lightning.step.types import Batch


class Scalars(pl.Callback):
    """Tags: loss/d, loss/g, logits/real, logits/fake, regularizer/<name>/<player>, gradient/d, gradient/g."""

    def __init__(self, every_n_steps: Annotated[int, Field(ge=1)] = 50) -> None:
        self.every_n_steps = every_n_steps
        self.since, self.seen = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.since, self.seen = time.monotonic(), 0

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        self.seen += len(batch.real) * trainer.world_size
        step = trainer.global_step
        if step % self.every_n_steps and step not in (1, trainer.max_steps):
            return
        assert isinstance(module, GAN)
        values = read_terms(outputs, module)
        if step > 1:
            values["speed/images_per_second"] = self.seen / (time.monotonic() - self.since)
        values["optimizer/learning_rate"] = trainer.optimizers[1].param_groups[0]["lr"]
        self.since, self.seen = time.monotonic(), 0
        for logger in trainer.loggers:
            logger.log_metrics(values, step)


def read_terms(terms: Terms, gan: GAN) -> dict[str, float]:
    """Means of the terms over all ranks, and norms of the gradients, which stay until the next update."""
    values = {name: term.float().mean() for name, term in terms.items()}
    values["gradient/d"] = norm(gan.discriminator.parameters())
    values["gradient/g"] = norm(gan.generator.parameters())
    read_terms = torch.stack(list(values.values()))
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(read_terms, dist.ReduceOp.AVG if read_terms.is_cuda else dist.ReduceOp.SUM)
        read_terms = read_terms if read_terms.is_cuda else read_terms / dist.get_world_size()
    return dict(zip(values, read_terms.tolist(), strict=True))


def norm(parameters: Iterable[nn.Parameter]) -> Tensor:  # -> ()
    """The length of the gradient over all of them."""
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
