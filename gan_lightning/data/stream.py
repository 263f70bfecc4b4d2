"""The endless stream: batch i is a pure function of (seed, i, rank).

Permutations of the data follow one another without a gap, and no rest is dropped; the ranks take turns along that one line,
so whatever their number, the updates see the same samples together. Nothing needs saving: a resumed run starts the stream at
its step, with workers or without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch


class Source(Protocol):
    """Where a split's samples come from: stored ones have a length, drawn ones do not end."""

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world: int = 1, rounds: int = 1) -> Batch:
        """Batch i of n samples for `rank` of `world`: real (n, *sample_shape) float32. `rounds` updates are made with it."""
        ...

    def part(self, start: int, n: int) -> Batch:
        """N samples from place `start` on, always the same: what scores compare with."""
        ...

    def first(self, n: int, label: int | None = None) -> Tensor:
        """At most n samples, always the same, of one class if asked: what pictures show."""
        ...


class Stream(IterableDataset[Batch]):
    """Batches `start`, `start + 1`, … of a source, for ever; worker w of k makes every k-th."""

    def __init__(
        self, source: Source, size: int, seed: int, start: int = 0, rank: int = 0, world: int = 1, rounds: int = 1
    ) -> None:
        self.source, self.size, self.seed, self.start = source, size, seed, start
        self.rank, self.world, self.rounds = rank, world, rounds

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        i, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        while True:
            yield self.source.batch(self.seed, i, self.size, self.rank, self.world, self.rounds)
            i += stride


BLOCK = 50  # places that are drawn together


def draw_blocks(start: int, n: int, block: Callable[[int], Tensor]) -> Tensor:  # -> (n, …)
    """Places start … start + n − 1 of a line of blocks, each drawn for itself: whatever the batch, a place has its sample."""
    first, last = start // BLOCK, -(-(start + n) // BLOCK)
    drawn = [block(i) for i in range(first, max(last, first + 1))]
    return torch.cat(drawn)[start - first * BLOCK :][:n]


class Drawn:
    """An endless source: batch i is drawn from (seed, i), and each rank takes its part of it.

    `fixed` tells the draws of one split from another's.
    """

    fixed: int = 0

    def draw(self, n: int, source: torch.Generator) -> Tensor:  # -> (n, *sample_shape)
        """N samples."""
        raise NotImplementedError

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world: int = 1, rounds: int = 1) -> Batch:
        """Batch i of this rank: all ranks' batches are drawn, which costs less than to tell one another."""
        return Batch(
            self.draw(n * world, seeded_generator(Purpose.REAL, seed, i))[rank_positions(n, rank, world, rounds)], None
        )

    def part(self, start: int, n: int) -> Batch:
        """N samples of their own for each place, others for each split."""
        drawn = draw_blocks(start, n, lambda i: self.draw(BLOCK, seeded_generator(Purpose.REAL, self.fixed, 2**32 - 1, i)))
        return Batch(drawn, None)

    def first(self, n: int, label: int | None = None) -> Tensor:
        """Always the same n samples, others for each split."""
        return self.part(0, n).real


@lru_cache(maxsize=3)
def permutation(seed: int, epoch: int, total: int) -> Tensor:  # -> (total,)
    """The epoch's permutation."""
    return torch.randperm(total, generator=seeded_generator(Purpose.ORDER, seed, epoch))


def rank_positions(n: int, rank: int, world: int, rounds: int = 1) -> Tensor:  # -> (n,)
    """Which places of a batch of n · world samples are a rank's: in each of the updates made with it, the next n / rounds."""
    return torch.arange(n * world).view(rounds, world, n // rounds)[:, rank].flatten()


def batch_positions(seed: int, i: int, n: int, rank: int, world: int, total: int, rounds: int = 1) -> Tensor:  # -> (n,)
    """Which of `total` stored samples stand in batch i of `rank`."""
    at = rank_positions(n, rank, world, rounds) + i * world * n
    epochs = at // total
    found = torch.empty(n, dtype=torch.long)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        here = epochs == epoch
        found[here] = permutation(seed, epoch, total)[at[here] % total]
    return found
