"""The trigrams of generated words against those of held-out real ones, and the shares of new, different and real words.

trigram_js = H((p + q) / 2) − (H(p) + H(q)) / 2,  H(p) = −Σ p log₂ p

p and q are the shares of all sequences of three symbols in the generated and in the reference words, each word with two begin
marks before it and an end mark after it. The Jensen-Shannon divergence (Lin 1991, eq. 4.1) is 0 for equal shares and 1 for
disjoint ones. Chance alone makes it larger than 0, so it is compared with the same number of other held-out words.

novel = share of words that are not training words;    known = share of words that are real ones, of any split;
distinct = number of different words / number of words
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sized
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.format.text import line_symbols, to_lines
from gan_lightning.data.stream import Source
from gan_lightning.data.words import Words
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference

BEGIN, STOP = "\0\0", "\1"  # marks of a word's ends, which are letters of no alphabet
CHUNK_SIZE = 2000  # lines


class NGram(GenerativeMetric):
    """Measure `trigram_js` in bits, and shares in [0, 1] of words."""

    maximize: ClassVar[dict[str, bool]] = {"trigram_js": False, "novel": True, "distinct": True, "known": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("trigram_js", "novel", "distinct", "known")
    uses_train_split: ClassVar[bool] = True  # so that real words of the floor are new, too
    symbols: list[Tensor]  # (n, T) each

    def __init__(self, num_samples: NumSamples = 5000) -> None:
        super().__init__(num_samples)
        self.alphabet = ""
        self.train_words: set[str] = set()
        self.real: set[str] = set()
        self.reference: list[str] = []
        self.add_state("symbols", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return None if isinstance(data, Words) else "n-grams are compared with those of held-out words: data=words"

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Words)
        self.alphabet, splits = reference.data.alphabet, reference.data.splits
        train, validation, test = (stored_lines(source, self.alphabet) for source in splits)
        self.train_words = set(train)
        self.real = self.train_words.union(validation, test)
        self.reference = to_lines(line_symbols(reference.samples().real), self.alphabet)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference), "train": len(self.train_words)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.symbols.append(line_symbols(samples))

    def compute(self) -> dict[str, Tensor]:
        words = to_lines(dim_zero_cat(self.symbols), self.alphabet) if len(self.symbols) else []
        if not words:
            raise TooFewSamplesError("ngram: at least 1 generated sample is needed, not 0")
        numbers = {
            "trigram_js": jensen_shannon(count_trigrams(words), count_trigrams(self.reference)),
            "novel": sum(word not in self.train_words for word in words) / len(words),
            "distinct": len(set(words)) / len(words),
            "known": sum(word in self.real for word in words) / len(words),
        }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}


def stored_lines(source: Source, alphabet: str) -> list[str]:
    """Return all lines of a stored split."""
    assert isinstance(source, Sized)
    starts = range(0, len(source), CHUNK_SIZE)
    return [line for start in starts for line in to_lines(line_symbols(source.part(start, CHUNK_SIZE).real), alphabet)]


def count_trigrams(words: list[str]) -> Counter[str]:
    """Return how often each sequence of three symbols occurs, those with marks of a word's ends among them."""
    marked = (BEGIN + word + STOP for word in words)
    return Counter(word[i : i + 3] for word in marked for i in range(len(word) - 2))


def jensen_shannon(p: Counter[str], q: Counter[str]) -> float:
    """Return the Jensen-Shannon divergence of two sets of counts, in bits."""
    total_p, total_q = p.total(), q.total()
    divergence = 0.0
    for key in sorted(p.keys() | q.keys()):  # in an order of its own: a sum of floats depends on it
        share_p, share_q = p[key] / total_p, q[key] / total_q
        mean = (share_p + share_q) / 2
        divergence += sum(share * math.log2(share / mean) for share in (share_p, share_q) if share) / 2
    return divergence
