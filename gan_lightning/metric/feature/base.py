"""What a score compares samples by: a fixed network's features of them, and the factors that it reads in them.

A score is given its extractor, so that Fréchet distances can be measured on features that fit the data, and tests need no
download. One extractor serves all scores of a run: what it says of the last batch is kept for the next that asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Reading(NamedTuple):
    """What an extractor says of N samples."""

    features: Tensor  # (N, F) float32
    logits: tuple[Tensor, ...] = ()  # (N, K) for each factor, in their order


class Feature(nn.Module):
    """Override `extract`; state `factors` where classes are read, and `name` and `resizer` for the protocol.

    `name` tells apart whatever would give other numbers: kind, architecture, a hash of the weights.
    """

    name: str = ""
    resizer: str = "none"  # how a sample comes to the size that the network wants
    factors: Mapping[str, int] = {}  # factor → number of its values

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        """Why samples of this shape can't be read; None: they can. Asked before anything is loaded."""
        return None

    def extract(self, samples: Tensor) -> Reading:  # (N, *sample_shape) in the data's range
        """Features and logits of a batch."""
        raise NotImplementedError

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Reading:
        """`extract` where the network lies, the reading on the CPU; what was said of the last batch is not asked again."""
        seen, said = self.__dict__.get("_last", (None, None))
        if seen is not samples or said is None:
            home = next((p.device for p in self.parameters()), samples.device)
            said = self.extract(samples.to(home))
            said = Reading(said.features.float().cpu(), tuple(logits.float().cpu() for logits in said.logits))
            self.__dict__["_last"] = (samples, said)
        return said

    def train(self, mode: bool = True) -> Feature:
        """An extractor never trains."""
        return super().train(False)
