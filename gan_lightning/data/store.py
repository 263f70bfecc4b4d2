"""Stored samples and their labels: an array in memory, or one mapped from a file."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.stream import batch_positions
from gan_lightning.step.types import Batch


class MappedFile(NamedTuple):
    """Describe a read-only memory map, so that another process opens the file: a pickled map would be a copy of it."""

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int  # of the array in the file, in bytes
    fortran_order: bool

    @classmethod
    def of(cls, samples: np.ndarray) -> MappedFile | None:
        """Return the description of a memory map; None for any other array, also for a part of a map."""
        if not (isinstance(samples, np.memmap) and isinstance(samples.base, mmap.mmap) and samples.mode == "r"):
            return None
        fortran_order = samples.flags.f_contiguous and not samples.flags.c_contiguous
        return cls(str(samples.filename), samples.dtype, samples.shape, samples.offset, fortran_order)

    def open(self) -> np.ndarray:  # -> (*shape)
        """Map the file. Raises OSError."""
        order: Any = "F" if self.fortran_order else "C"
        return np.memmap(self.path, self.dtype, mode="r", offset=self.offset, shape=self.shape, order=order)


class Store:
    """Serve the samples of an array: uint8 images are scaled to [-1, 1] when they are read, floats are not changed."""

    def __init__(self, samples: np.ndarray, labels: np.ndarray | None = None, index: np.ndarray | None = None) -> None:
        """Select this split's N of the M samples (M, *sample_shape) by `index` (N,), without a copy; None: all.

        `labels` are classes (M,) or attributes (M, A).
        """
        self.samples, self.index = samples, np.arange(len(samples)) if index is None else index
        self.labels = None if labels is None else torch.as_tensor(labels[self.index], dtype=torch.long)
        self.strata = self.labels if self.labels is None or self.labels.dim() == 1 else None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"samples": MappedFile.of(self.samples) or self.samples}

    def __setstate__(self, state: dict[str, Any]) -> None:
        samples = state["samples"]
        self.__dict__ |= state | {"samples": samples.open() if isinstance(samples, MappedFile) else samples}

    def __len__(self) -> int:
        return len(self.index)

    def take(self, positions: Tensor) -> Batch:  # (n,) -> (n, *sample_shape) float32
        """Return the samples at these positions of the split, with their labels."""
        samples = torch.from_numpy(self.samples[self.index[positions.numpy()]])  # an index array copies, even a memory map
        real = samples.float().div_(127.5).sub_(1) if samples.dtype == torch.uint8 else samples.float()
        return Batch(real, None if self.labels is None else self.labels[positions])

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world_size: int = 1, batches_per_step: int = 1) -> Batch:
        """Return batch i of one rank, in the order that `stream` defines."""
        return self.take(batch_positions(seed, i, n, rank, world_size, len(self), batches_per_step))

    def part(self, start: int, n: int) -> Batch:
        """Return at most n samples from position `start` on."""
        return self.take(torch.arange(start, max(start, min(start + n, len(self)))))


def split_indices(total: int, validation: float, test: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted indices of train, validation and test, cut from one fixed shuffle.

    The shares of validation and test are rounded down; the remainder is train.
    """
    shuffled = np.random.default_rng(0).permutation(total)
    num_validation, num_test = int(total * validation), int(total * test)
    cuts = total - num_validation - num_test, total - num_test
    return np.sort(shuffled[: cuts[0]]), np.sort(shuffled[cuts[0] : cuts[1]]), np.sort(shuffled[cuts[1] :])
