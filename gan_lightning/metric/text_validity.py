"""The share of generated strings that belong to the grammar of the real ones, and the share that are distinct.

valid = share of strings that a parser of the grammar accepts;    distinct = number of different strings / number of strings

The parser reads a string from left to right by the rules themselves; it knows nothing of the list that real strings are drawn
from. `brackets` is the share of strings whose brackets match. *distinct* alone can be raised by noise and *valid* by repeating
one string, so both are reported, and *valid_distinct*, the number of different valid strings / number of strings.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.format.text import line_symbols, to_lines
from gan_lightning.data.grammar import OPERATORS, VARIABLES, Grammar
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference


class TextValidity(GenerativeMetric):
    """Measure shares in [0, 1] of strings; a sample that is not finite counts as the empty string, which is not valid."""

    maximize: ClassVar[dict[str, bool]] = {"valid_distinct": True, "valid": True, "distinct": True, "brackets": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("valid_distinct", "valid", "distinct", "brackets")
    symbols: list[Tensor]  # (n, T) each

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.alphabet = ""
        self.add_state("symbols", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return None if isinstance(data, Grammar) else "text validity needs strings of a known grammar: data=grammar"

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Grammar)
        self.alphabet = reference.data.alphabet

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.symbols.append(line_symbols(samples))

    def compute(self) -> dict[str, Tensor]:
        strings = to_lines(dim_zero_cat(self.symbols), self.alphabet) if len(self.symbols) else []
        if not strings:
            raise TooFewSamplesError("text_validity: at least 1 generated sample is needed, not 0")
        valid = [string for string in strings if is_expression(string)]
        counts = {
            "valid_distinct": len(set(valid)),
            "valid": len(valid),
            "distinct": len(set(strings)),
            "brackets": sum(map(has_matching_brackets, strings)),
        }
        return {name: torch.tensor(count / len(strings), dtype=torch.float64) for name, count in counts.items()}


def is_expression(string: str) -> bool:
    """Return whether a string is an expression of the grammar: terms with an operator between each two."""
    end = expression_end(string, 0)
    return end is not None and end == len(string)


def expression_end(string: str, start: int) -> int | None:
    """Return the end of the longest expression that begins at `start`; None if none does."""
    end = term_end(string, start)
    while end is not None and string[end : end + 1] and string[end] in OPERATORS:
        end = term_end(string, end + 1)
    return end


def term_end(string: str, start: int) -> int | None:
    """Return the end of the term that begins at `start`; None if none does."""
    first = string[start : start + 1]
    if first and first in VARIABLES:
        return start + 1
    end = expression_end(string, start + 1) if first == "(" else None
    return end + 1 if end is not None and string[end : end + 1] == ")" else None


def has_matching_brackets(string: str) -> bool:
    """Return whether every bracket is closed, and none before it is opened; the empty string has no brackets."""
    depth = 0
    for letter in string:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0
