"""Distances of all pairs of two sets, a part at a time: they would not fit into memory at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

PART = 500


def distances(x: Tensor, others: Tensor) -> Iterator[Tensor]:  # (n, F), (N, F) -> (≤ PART, N) each
    """From each row; a row is infinitely far from itself."""
    for start in range(0, len(x), PART):
        distance = torch.cdist(x[start : start + PART], others)
        if x is others:
            distance.diagonal(start).fill_(float("inf"))
        yield distance
