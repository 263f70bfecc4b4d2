"""The selection of samples wherever fewer are used than there are: in scores, floors, references, pictures and fits.

The first n samples of a folder that is sorted by class show one class only. A selection is therefore the beginning of one order
of all samples that depends on a seed alone, so that each sample is equally likely to be in it, and a smaller selection is part
of a larger one. Where classes are known, each has the same share of every beginning as of the whole, up to one sample:

sample of class c with random rank r within the class → position by (r + u_c) / n_c, u_c uniform in [0, 1)

This is systematic sampling in each class (Cochran 1977, sections 5.6 and 8.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from torch import Tensor

from gan_lightning.data.stream import Source
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

BATCH_SIZE = 500
MAX_SEARCH = 64  # samples that are read for each one that is wanted of a class, where classes are known only by reading


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

    If the source does not know its labels, samples are read until enough are found, at most MAX_SEARCH · n · num_classes.
    """
    found: list[list[Tensor]] = [[] for _ in range(num_classes)]
    shape = source.part(0, 0).real.shape
    for batch in _batches_with_classes(source, n, num_classes, seed):
        assert batch.labels is not None
        for sample, label in zip(batch.real, batch.labels.tolist(), strict=True):
            if label < num_classes and len(found[label]) < n:
                found[label].append(sample)
        if all(len(samples) == n for samples in found):
            break
    return [torch.stack(samples) if samples else torch.empty(shape) for samples in found]


def _batches_with_classes(source: Source, n: int, num_classes: int, seed: int) -> Iterator[Batch]:
    """Yield labelled samples in the seeded order; of a source that knows its strata, only the first n of each."""
    assert isinstance(source, Sized)
    order = seeded_order(len(source), source.strata, seed)
    if source.strata is None:
        order = order[: MAX_SEARCH * n * num_classes]
    else:
        chosen = [order[source.strata[order] == label][:n] for label in range(num_classes)]
        order = torch.cat(chosen)
    for positions in torch.split(order, BATCH_SIZE if source.strata is not None else n * num_classes):
        yield source.take(positions)
