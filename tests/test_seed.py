"""The one source of randomness: 32 bits of (purpose, seed, step, rank)."""

import itertools

import numpy as np
import pytest
import torch

from gan_lightning.seed import Purpose, generator, hashed, reseed

CPU = torch.device("cpu")


def test_what_is_hashed_stays_what_it was():
    """A run of an older version repeats only as long as these do not change."""
