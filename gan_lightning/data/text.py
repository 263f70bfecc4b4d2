"""Lines of text as one-hot matrices: a column for each position, a row for each symbol, row 0 for the end of the line.

x[v, t] = 1 if the symbol at position t is number v, else 0;    after its last letter a line is filled with the end symbol

A line that is as long as the matrix has no end symbol. Letters are Unicode characters in normal form C, so that a Vietnamese
vowel with its tone mark is one symbol.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.base import Data, DataError
from gan_lightning.data.format.text import END, TextFormat
from gan_lightning.data.store import Store
from gan_lightning.step.types import Batch


class Text(Data):
    """Define lines over an `alphabet`, the symbols 1, 2, …; `sample_shape` is (symbols with the end symbol, longest line)."""

    alphabet: str

    def require_text_shape(self) -> None:
        """Raise DataError unless the config describes unlabelled lines over the alphabet."""
        if not self.alphabet or len(set(self.alphabet)) < len(self.alphabet):
            raise DataError(f"data.alphabet: {self.alphabet!r} must be letters, at least one, each of them once")
        if any(not letter.isprintable() for letter in self.alphabet):
            raise DataError(f"data.alphabet: {self.alphabet!r} has a character that can't be printed; leave it out")
        symbols = len(self.alphabet) + 1
        if len(self.sample_shape) != 2 or self.sample_shape[0] != symbols:
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)} is no shape of lines over {symbols - 1} letters and the end "
                f"symbol; allowed: [{symbols},T], T the length of the longest line"
            )
        if self.num_classes:
            raise DataError(f"data.num_classes: the lines are unlabelled, 0, not {self.num_classes}")

    def encode(self, lines: list[str]) -> np.ndarray:  # -> (N, T) uint16
        """Return the symbols' numbers of lines whose letters are all in the alphabet and that are not longer than T."""
        number = {letter: i for i, letter in enumerate(self.alphabet, 1)}
        symbols = np.full((len(lines), self.sample_shape[1]), END, np.uint16)
        for row, line in zip(symbols, lines, strict=True):
            row[: len(line)] = [number[letter] for letter in line]
        return symbols

    @property
    def sample_format(self) -> TextFormat:
        """Return the format of lines over the alphabet."""
        return TextFormat(self.alphabet)


def one_hot(symbols: np.ndarray, num_symbols: int) -> Tensor:  # (N, T) -> (N, V, T) float32
    """Return the matrices of lines that are given by their symbols' numbers."""
    numbers = torch.from_numpy(symbols.astype(np.int64)).unsqueeze(1)
    return torch.zeros(len(symbols), num_symbols, symbols.shape[1]).scatter_(1, numbers, 1.0)


class Lines(Store):
    """Serve stored lines, kept as the numbers of their symbols, as one-hot matrices."""

    def __init__(self, symbols: np.ndarray, num_symbols: int, index: np.ndarray | None = None) -> None:
        """Select this split's N of the M lines (M, T) by `index` (N,); None: all."""
        super().__init__(symbols, None, index)
        self.num_symbols = num_symbols

    def take(self, positions: Tensor) -> Batch:  # (n,) -> (n, V, T) float32
        return Batch(one_hot(self.samples[self.index[positions.numpy()]], self.num_symbols), None)
