"""The global random generators, which the augmentation of a user's data set draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng


@contextmanager
def seeded_rng(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and `random` inside the block, and restore their states after it."""
    with isolate_rng(include_cuda=False):
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the generator that data sets use)
        random.seed(seed)
        yield
