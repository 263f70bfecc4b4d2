"""Mirrored training images: half of each batch, chosen at random, is flipped from left to right.

It is as if the data set also held every image's mirror image, for data in which both are equally likely, such as faces. Which
images are flipped is a function of (seed, batch), whatever the number of ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.data.stream import Source, rank_positions
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch


class Mirrored:
    """Serve the batches of a source of images (C, H, W), half of them flipped; conditions that are images are flipped alike."""

    def __init__(self, source: Source) -> None:
        self.source, self.strata = source, source.strata

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank."""
        real, condition = self.source.batch(seed, i, n, rank, world_size, batches_per_step)
        drawn = torch.rand(n * world_size, generator=seeded_generator(Purpose.MIRROR, seed, i)) < 0.5
        flipped = drawn[rank_positions(n, rank, world_size, batches_per_step)]
        if condition is not None and condition.dim() == real.dim():
            condition = flip(condition, flipped)
        return Batch(flip(real, flipped), condition)

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples as they are."""
        return self.source.part(start, n)

    def take(self, positions: Tensor) -> Batch:  # (n,)
        """Return the samples at these positions as they are."""
        return self.source.take(positions)


def flip(images: Tensor, flipped: Tensor) -> Tensor:  # (N, C, H, W), (N,) bool -> (N, C, H, W)
    """Return the images, those that are `flipped` from left to right."""
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
