"""Samples that are held: an array in memory or mapped from a file, and their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.stream import batch_positions
from gan_lightning.step.types import Batch


class Store:
    """uint8 images are kept as they are and become [-1, 1] when they are taken; float arrays are taken as they are."""

    def __init__(self, samples: np.ndarray, labels: np.ndarray | None = None, index: np.ndarray | None = None) -> None:
        """`samples` (M, *sample_shape); `index` chooses the N of them that belong to this split, without a copy."""
        self.samples, self.index = samples, np.arange(len(samples)) if index is None else index
        self.labels = None if labels is None else torch.as_tensor(labels[self.index], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.index)

    def take(self, at: Tensor) -> Tensor:  # (n,) -> (n, *sample_shape) float32
        """The samples at these places."""
        taken = torch.from_numpy(self.samples[self.index[at.numpy()]])  # an index array copies, also from a memory map
        return taken.float().div_(127.5).sub_(1) if taken.dtype == torch.uint8 else taken.float()

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world: int = 1, rounds: int = 1) -> Batch:
        """Batch i: see `stream`."""
        at = batch_positions(seed, i, n, rank, world, len(self), rounds)
        return Batch(self.take(at), None if self.labels is None else self.labels[at])

    def part(self, start: int, n: int) -> Batch:
        """N samples from place `start` on."""
        at = torch.arange(start, min(start + n, len(self)))
        return Batch(self.take(at), None if self.labels is None else self.labels[at])

    def first(self, n: int, label: int | None = None) -> Tensor:
        """The first n, of one class if asked."""
        here = torch.arange(len(self))
        if label is not None and self.labels is not None:
            here = here[self.labels == label]
        return self.take(here[:n])


def split_indices(total: int, validation: float, test: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of train, validation and test: one fixed shuffle, the shares rounded down; the rest is train."""
    shuffled = np.random.default_rng(0).permutation(total)
    held_out, reported = int(total * validation), int(total * test)
    cuts = total - held_out - reported, total - reported
    return np.sort(shuffled[: cuts[0]]), np.sort(shuffled[cuts[0] : cuts[1]]), np.sort(shuffled[cuts[1] :])
