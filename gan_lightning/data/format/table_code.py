"""The code of a table's row as a matrix: a row for each column of the table, with a value in a mode and a choice of the mode.

    continuous   x = μ_k + 4 σ_k v          v in [-1, 1], k the chosen mode of the column's mixture of Gaussians
    categorical  x = categories[k]          v = 0

A matrix (columns, 1 + slots) holds v and the one-hot k; slots that a column does not use are 0. This is the mode-specific
normalisation of CTGAN (Xu et al. 2019, section 4.2) in a rectangle, so that a network needs no layout of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

WIDTH = 4  # standard deviations of a mode that reach v = 1


class Continuous(NamedTuple):
    """Describe a column of numbers by K modes, sorted by their means."""

    name: str
    means: np.ndarray  # (K,)
    deviations: np.ndarray  # (K,), above 0
    weights: np.ndarray  # (K,), the modes' shares
    decimals: int  # digits after the point that the table's values have

    @property
    def slots(self) -> int:
        """Return the number of modes."""
        return len(self.means)

    def encode(self, values: np.ndarray, modes: np.ndarray) -> np.ndarray:  # (N,), (N,) -> (N,)
        """Return the values within their modes, clipped to [-1, 1]."""
        return ((values - self.means[modes]) / (WIDTH * self.deviations[modes])).clip(-1, 1)

    def decode(self, value: np.ndarray, mode: np.ndarray) -> np.ndarray:  # (N,), (N,) -> (N,)
        """Return the numbers, rounded as those of the table."""
        return (self.means[mode] + WIDTH * self.deviations[mode] * value).round(self.decimals)

    def write(self, x: float) -> str:
        """Return a number as text, with as many decimals as the table's."""
        return f"{x:.{self.decimals}f}"


class Categorical(NamedTuple):
    """Describe a column of names by its categories, sorted."""

    name: str
    categories: tuple[str, ...]

    @property
    def slots(self) -> int:
        """Return the number of categories."""
        return len(self.categories)

    def decode(self, value: np.ndarray, mode: np.ndarray) -> np.ndarray:  # (N,), (N,) -> (N,)
        """Return the numbers of the categories."""
        return mode.astype(np.float64)

    def write(self, x: float) -> str:
        """Return the category that a number means."""
        return self.categories[int(x)]


Column = Continuous | Categorical


def encode_rows(columns: list[Column], rows: np.ndarray, modes: np.ndarray, slots: int) -> np.ndarray:
    # (N, C), (N, C) -> (N, C, 1 + slots) float32
    """Return the matrices of rows, whose categories are given by their numbers; `modes` are those of continuous columns."""
    matrices = np.zeros((*rows.shape, 1 + slots), np.float32)
    for i, column in enumerate(columns):
        chosen = modes[:, i]
        if isinstance(column, Continuous):
            matrices[:, i, 0] = column.encode(rows[:, i], chosen)
        matrices[np.arange(len(rows)), i, 1 + chosen] = 1
    return matrices


def decode_rows(columns: list[Column], matrices: np.ndarray) -> np.ndarray:  # (N, C, 1 + slots) -> (N, C) float64
    """Return the numbers of each row, a category by its number; NaN where a matrix is not finite.

    Slots that a column does not use are not chosen. If all others are 0, as where G's choice, a one-hot, is an unused slot, the
    first one is: the mode with the lowest mean, or the first category.
    """
    rows = np.full(matrices.shape[:2], np.nan)
    finite = np.isfinite(matrices).all((1, 2))
    for i, column in enumerate(columns):
        chosen = matrices[finite, i, 1 : 1 + column.slots].argmax(1)
        rows[finite, i] = column.decode(matrices[finite, i, 0].astype(np.float64), chosen)
    return rows
