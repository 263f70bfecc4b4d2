"""The selection of samples wherever fewer are used than there are: in scores, floors, references, pictures and fits.

The first n samples of a folder that is sorted by class show one class only. A selection is therefore the beginning of one order
of all samples that depends on a seed alone, so that each sample is equally likely to be in it, and a smaller selection is part
of a larger one. Where classes are known, each has the same share of every beginning as of the whole, up to one sample:

sample of class c with random rank r within the class → position by (r + u_c) / n_c, u_c uniform in [0, 1)

This is systematic sampling in each class (Cochran 1977, sections 5.6 and 8.1).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sized

import torch
from torch import Tensor

from gan_lightning.data.stream import Source
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

BATCH_SIZE = 500
MAX_SEARCH = 64  # samples that are read for each one that is wanted of a class, where labels are known only by reading


class Selection:
    """Serve `size` of a source's samples, seeded and without replacement; of an endless source, which is random, the first."""

    def __init__(self, source: Source, size: int, seed: int = 0) -> None:
        self.source, self.seed = source, seed
        self.available = len(source) if isinstance(source, Sized) else None
        self.positions = None if self.available is None else seeded_order(self.available, source.strata, seed)[:size]
        self.size = size if self.positions is None else len(self.positions)

    def __len__(self) -> int:
        return self.size

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples of the selection, from its position `start` on."""
        n = max(min(n, self.size - start), 0)
        return self.source.part(start, n) if self.positions is None else self.source.take(self.positions[start : start + n])

    def batches(self) -> Iterator[Batch]:
        """Yield the whole selection in batches."""
        for start in range(0, self.size, BATCH_SIZE):
            yield self.part(start, BATCH_SIZE)

    def in_index_order(self) -> tuple[Selection, Tensor]:  # -> a selection, (size,)
        """Return the same samples in the source's own order, and where each sample of this selection is among them."""
        if self.positions is None:
            return self, torch.arange(self.size)
        ordered = copy.copy(self)
        ordered.positions, by_position = self.positions.sort()
        return ordered, by_position.argsort()

    @property
    def description(self) -> str:
        """Return how the samples were chosen, for a protocol."""
        if self.available is None:
            return "drawn at random"
        if self.size == self.available:
            return "all"
        return f"{'uniform' if self.source.strata is None else 'stratified by class'}, seed {self.seed}"


def seeded_order(total: int, strata: Tensor | None, seed: int) -> Tensor:  # (total,) -> (total,)
    """Return a random order of `total` samples in which each beginning has the strata in the shares of the whole."""
    generator = seeded_generator(Purpose.SELECTION, seed)
    shuffled = torch.randperm(total, generator=generator)
    if strata is None:
        return shuffled
    _, stratum = torch.unique(strata[shuffled], return_inverse=True)
    counts = stratum.bincount()
    grouped = stratum.argsort(stable=True)
    rank = torch.empty(total, dtype=torch.long)
    rank[grouped] = torch.arange(total) - (counts.cumsum(0) - counts)[stratum[grouped]]
    offset = torch.rand(len(counts), generator=generator, dtype=torch.float64)
    return shuffled[((rank + offset[stratum]) / counts[stratum]).argsort(stable=True)]


def select_by_class(source: Source, n: int, num_classes: int, seed: int = 0) -> list[Tensor]:  # -> (≤ n, *sample_shape) each
    """Return at most n samples of each of the classes 0 … num_classes − 1, seeded, without replacement.

    Where the source's strata are not the labels that it returns, or unknown, samples are read until enough are found, at most
    MAX_SEARCH · n · num_classes.
    """
    assert isinstance(source, Sized)
    order = seeded_order(len(source), source.strata, seed)
    if source.strata is not None:
        likely = order[first_of_each(source.strata[order], n, num_classes)]
        batches = [source.take(positions) for positions in torch.split(likely, BATCH_SIZE)]
        read = [_labels(batch) for batch in batches]
        if torch.equal(torch.cat([*read, likely[:0]]), source.strata[likely]):
            return _group(source, batches, n, num_classes)
    batches = []
    missing = torch.full((num_classes,), n)
    for positions in torch.split(order[: MAX_SEARCH * n * num_classes], n * num_classes):
        batches.append(source.take(positions))
        missing -= _labels(batches[-1]).bincount(minlength=num_classes)[:num_classes]
        if (missing <= 0).all():
            break
    return _group(source, batches, n, num_classes)


def first_of_each(labels: Tensor, n: int, num_classes: int) -> Tensor:  # (N,) -> (at most n · num_classes,)
    """Return the indices of the first n labels of each of the classes 0 … num_classes − 1."""
    grouped = labels.argsort(stable=True)
    classes, counts = torch.unique_consecutive(labels[grouped], return_counts=True)
    rank = torch.arange(len(labels)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    wanted = ((classes >= 0) & (classes < num_classes)).repeat_interleave(counts)
    return grouped[wanted & (rank < n)]


def _labels(batch: Batch) -> Tensor:
    assert batch.condition is not None
    return batch.condition


def _group(source: Source, batches: list[Batch], n: int, num_classes: int) -> list[Tensor]:
    batches = batches or [source.part(0, 0)]
    real, labels = torch.cat([batch.real for batch in batches]), torch.cat([_labels(batch) for batch in batches])
    return [real[labels == label][:n] for label in range(num_classes)]
