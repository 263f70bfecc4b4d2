"""Distances of all pairs of rows, a chunk at a time, because the whole matrix would not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_SIZE = 500


def pair_distances(x: Tensor, others: Tensor) -> Iterator[Tensor]:  # (n, F), (N, F) -> (≤ CHUNK_SIZE, N) each
    """Yield the distances of the next rows of `x` from all others; if both are the same tensor, a row's from itself is ∞."""
    for start in range(0, len(x), CHUNK_SIZE):
        distance = torch.cdist(x[start : start + CHUNK_SIZE], others)
        if x is others:
            distance.diagonal(start).fill_(float("inf"))
        yield distance
