"""A part of a split, to train on few samples: a seeded selection, with each class in its share."""

from __future__ import annotations

from collections.abc import Sized

import torch
from torch import Tensor

from gan_lightning.data.selection import seeded_order
from gan_lightning.data.stream import Source, batch_positions
from gan_lightning.step.types import Batch


class Subset:
    """Serve `size` samples of a stored source, the same for every seed of a run: a smaller subset is part of a larger one."""

    def __init__(self, source: Source, size: int) -> None:
        assert isinstance(source, Sized), "only stored samples can be counted"
        self.source = source
        self.positions = seeded_order(len(source), source.strata, seed=0)[:size].sort().values
        self.strata = None if source.strata is None else source.strata[self.positions]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, positions: Tensor) -> Batch:  # (n,) -> (n, *sample_shape)
        """Return the samples at these positions of the subset."""
        return self.source.take(self.positions[positions])

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples from position `start` on."""
        return self.take(torch.arange(start, max(start, min(start + n, len(self)))))

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank, in the order that `stream` defines."""
        return self.take(batch_positions(seed, i, n, rank, world_size, len(self), batches_per_step))
