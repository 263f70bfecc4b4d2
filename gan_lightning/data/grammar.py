"""Strings of a small grammar, all of them known: arithmetic expressions of three variables with brackets.

    expression → term | expression operator term        operator → + | - | *
    term → variable | ( expression )                    variable → x | y | z

The grammar is unambiguous, so the strings of each length are counted and listed exactly; 645,156 have at most 11 letters.
A sample is any of them with the same probability. After the grammar of Kusner & Hernández-Lobato 2016 (section 4), which has
no brackets: with them a string is valid only if letters far apart agree.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.base import DataError, Splits
from gan_lightning.data.stream import RandomSource
from gan_lightning.data.text import Text, one_hot

ALPHABET = "()+-*xyz"
VARIABLES, OPERATORS = "xyz", "+-*"
LONGEST = 11  # of the lines; beyond it there are too many strings to list


class Grammar(Text):
    """Draw expressions of at most `sample_shape[1]` letters, all with the same probability, without end."""

    alphabet = ALPHABET

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)

    def count(self) -> None:
        self.require_text_shape()
        if self.sample_shape[1] > LONGEST:
            raise DataError(f"data.sample_shape: expressions of {self.sample_shape[1]} letters are too many; at most {LONGEST}")

    def load(self) -> Splits:
        self.count()
        symbols = expressions(self.sample_shape[1])
        return Splits(*(Expressions(symbols, split_index) for split_index in range(3)))


class Expressions(RandomSource):
    """Draw from a list of strings, given by their symbols' numbers."""

    def __init__(self, symbols: np.ndarray, split_index: int) -> None:  # (N, T)
        self.symbols, self.split_index = symbols, split_index

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, V, T)
        chosen = torch.randint(len(self.symbols), (n,), generator=generator).numpy()
        return one_hot(self.symbols[chosen], len(ALPHABET) + 1)


def expressions(longest: int) -> np.ndarray:  # -> (N, longest) uint8
    """Return all expressions of at most `longest` letters by their symbols' numbers, filled with the end symbol."""
    parts = [np.pad(_expressions(n), ((0, 0), (0, longest - n))) for n in range(1, longest + 1)]
    return np.concatenate(parts)


@cache
def _expressions(n: int) -> np.ndarray:  # -> (N, n)
    """Return all expressions of exactly n letters."""
    sums = [_joined(_expressions(k), _letters(OPERATORS), _terms(n - 1 - k)) for k in range(1, n - 1)]
    return np.concatenate([_terms(n), *sums])


@cache
def _terms(n: int) -> np.ndarray:  # -> (N, n)
    """Return all terms of exactly n letters."""
    if n == 1:
        return _letters(VARIABLES)
    return _joined(_letters("("), _expressions(n - 2), _letters(")")) if n > 2 else np.empty((0, n), np.uint8)


def _letters(letters: str) -> np.ndarray:  # -> (N, 1)
    return np.array([[ALPHABET.index(letter) + 1] for letter in letters], np.uint8)


def _joined(*parts: np.ndarray) -> np.ndarray:  # (N_i, n_i) each -> (Π N_i, Σ n_i)
    """Return every combination of one row of each part, joined."""
    rows = np.indices([len(part) for part in parts]).reshape(len(parts), -1)
    return np.concatenate([part[row] for part, row in zip(parts, rows, strict=True)], 1)
