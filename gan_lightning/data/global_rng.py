"""The global random generators, which the augmentation of a user's data set draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pytorch_lightning.utilities import seed as lightning_seed


@contextmanager
def isolate_rng() -> Iterator[None]:
    """Restore the states of the global generators of torch, NumPy and `random` after the block."""
    with lightning_seed.isolate_rng(include_cuda=False):
        yield


@contextmanager
def seeded_rng(seed: int) -> Iterator[None]:
    """Seed the global generators inside the block, and restore their states after it."""
    with isolate_rng():
        seed_all(seed)
        yield


def seed_all(seed: int) -> None:
    """Seed the global generators of torch, NumPy and `random`."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the generator that data sets use)
    random.seed(seed)
