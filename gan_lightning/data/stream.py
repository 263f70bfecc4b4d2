"""The endless stream of batches: batch i is a pure function of (seed, i, rank).

Stored samples are read as a sequence of permutations without gaps, so that no remainder of an epoch is dropped. The ranks
take turns along that sequence: together they read the same samples, whatever their number. Nothing needs to be saved: a
resumed run starts the stream at its step, with any number of workers.
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

BLOCK = 50  # positions that are drawn from one generator


class Source(Protocol):
    """Define the samples of one split; a stored source has a length, a random one is endless.

    `strata` (N,) are the samples' classes if they are known without reading any: a selection has each in its share.
    """

    strata: Tensor | None

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank: n samples, float32, for `batches_per_step` discriminator updates."""
        ...

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples from position `start` on, the same at every call."""
        ...

    def take(self, positions: Tensor) -> Batch:  # (n,) -> (n, *sample_shape)
        """Return the samples at these positions, the same at every call; only a source with a length is indexed."""
        ...


class Stream(IterableDataset[Batch]):
    """Yield the batches `start`, `start + 1`, … of a source without end; worker w of k yields every k-th, from `start + w` on.

    `size` is the number of samples of a batch in one process.
    """

    def __init__(
        self,
        source: Source,
        size: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        batches_per_step: int = 1,
    ) -> None:
        self.source, self.size, self.seed, self.start = source, size, seed, start
        self.rank, self.world_size, self.batches_per_step = rank, world_size, batches_per_step

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        i, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        while True:
            yield self.source.batch(self.seed, i, self.size, self.rank, self.world_size, self.batches_per_step)
            i += stride


class RandomSource:
    """Draw samples from a distribution: batch i is a function of (seed, i), and each rank takes its part of it.

    `split_index` makes the samples of `part` differ between the splits.
    """

    split_index: int = 0
    strata: Tensor | None = None

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, *sample_shape)
        """Return n samples."""
        raise NotImplementedError

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank; every rank draws the batches of all ranks, which is cheaper than communication."""
        samples = self.draw(n * world_size, seeded_generator(Purpose.REAL, seed, i))
        return Batch(samples[rank_positions(n, rank, world_size, batches_per_step)], None)

    def part(self, start: int, n: int) -> Batch:
        """Return the n samples at positions `start`, `start + 1`, … of the split."""

        def block(i: int) -> Tensor:
            return self.draw(BLOCK, seeded_generator(Purpose.REAL, self.split_index, 2**32 - 1, i))

        return Batch(draw_blocks(start, n, block), None)

    def take(self, positions: Tensor) -> Batch:  # (n,)
        """Raise TypeError: an endless source has no positions to choose among; its first samples are as random as others."""
        raise TypeError(f"{type(self).__name__} is endless; use part")


def draw_blocks(start: int, n: int, block: Callable[[int], Tensor]) -> Tensor:  # block: i -> (BLOCK, …); -> (n, …)
    """Return the values at positions `start` to `start + n - 1` of the blocks 0, 1, 2, … joined end to end.

    A block depends on its number only, so the value at a position depends neither on `start` nor on n.
    """
    first, last = start // BLOCK, -(-(start + n) // BLOCK)
    blocks = [block(i) for i in range(first, max(last, first + 1))]
    return torch.cat(blocks)[start - first * BLOCK :][:n]


@lru_cache(maxsize=3)
def permutation(seed: int, epoch: int, total: int) -> Tensor:  # -> (total,)
    """Return the order of the stored samples in one epoch; the last three orders are cached."""
    return torch.randperm(total, generator=seeded_generator(Purpose.ORDER, seed, epoch))


def rank_positions(n: int, rank: int, world_size: int, batches_per_step: int = 1) -> Tensor:  # -> (n,)
    """Return the positions of one rank's n samples in the batch of all n · world_size.

    That batch serves `batches_per_step` updates one after the other; in each of them, rank r takes the r-th part.
    """
    return torch.arange(n * world_size).view(batches_per_step, world_size, n // batches_per_step)[:, rank].flatten()


def batch_positions(
    seed: int, i: int, n: int, rank: int, world_size: int, total: int, batches_per_step: int = 1
) -> Tensor:  # -> (n,)
    """Return which of the `total` stored samples are in batch i of one rank."""
    stream_positions = rank_positions(n, rank, world_size, batches_per_step) + i * world_size * n
    epochs = stream_positions // total
    positions = torch.empty(n, dtype=torch.long)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        in_epoch = epochs == epoch
        positions[in_epoch] = permutation(seed, epoch, total)[stream_positions[in_epoch] % total]
    return positions
