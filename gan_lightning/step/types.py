"""The words of the game: what the data gives, what the discriminator says, what one player sees in its turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """Real samples and their labels."""

    real: Tensor  # (N, C, H, W) in [-1, 1], (N, C, T) or (N, D)
    labels: Tensor | None  # (N,) int64; None: unlabelled

    def chunk(self, parts: int) -> list[Batch]:
        """`parts` equal batches, in order."""
        labels = [None] * parts if self.labels is None else self.labels.chunk(parts)
        return [Batch(real, own) for real, own in zip(self.real.chunk(parts), labels, strict=True)]


class Output(NamedTuple):
    """What every discriminator returns."""

    logits: Tensor  # (N,)
    features: Tensor | None = None  # (N, F), what its last layer read; auxiliary heads stand on them


@dataclass
class Turn:
    """One player's turn: what was drawn, and what the discriminator said of it."""

    generator: nn.Module
    judge: Callable[[Tensor, Tensor | None], Output]  # augment, pack, discriminate
    z: Tensor  # (N, latent_dim)
    labels: Tensor | None  # (N,), of real and of fake: pairs share a label
    real: Tensor
    fake: Tensor  # detached in the discriminator's turn
    on_real: Output | None  # None in the generator's turn, unless the loss is relativistic
    on_fake: Output

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """D logit / d sample of each side that a due regularizer differentiates, all in one backward pass."""
        sides = {name: x for name, x in (("real", self.real), ("fake", self.fake)) if x.requires_grad}
        said = [output.logits.sum() for output in (self.on_real, self.on_fake) if output is not None]
        found = torch.autograd.grad(torch.stack(said).sum(), list(sides.values()), create_graph=True)
        return dict(zip(sides, found, strict=True))

    @property
    def slopes(self) -> dict[str, Tensor]:  # name -> (N / packing, everything that the logit was of)
        """The gradients, a row for each logit: samples that are judged together have one slope."""
        return {name: gradient.reshape(len(self.on_fake.logits), -1) for name, gradient in self.gradients.items()}
