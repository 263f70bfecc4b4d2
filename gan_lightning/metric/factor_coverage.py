"""The coverage of all combinations of factors: digits, pairs and triples of digits, parts of faces.

A classifier reads each factor of a sample; the combination of the values is the sample's *joint cell*.

joint_kl = Σ s ln (s / q) over the cells, where s is the share of generated samples and q the product of each factor's shares
among the reference samples, one sample added to each value so that no share is 0.
joint_kl_excess = joint_kl − the expected joint_kl of as many draws from q.

Noise inflates the number of cells, so `confident` is reported beside it. After Stacked MNIST: Metz et al. 2017, section 3.3.1;
VEEGAN, Srivastava et al. 2017, section 5.2.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data, Share
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.multinomial import expected_kl
from gan_lightning.metric.reference import Reference

CONFIDENCE = 0.7  # probability of a factor's most likely value
MAX_CELLS = 2_000_000


class FactorCoverage(GenerativeMetric):
    """Count the `cells`, and compare their shares with `joint_kl` in nats.

    `confident` is the share of samples whose every factor is read with more than CONFIDENCE; `values` is the share of all
    factor values that occur in such a sample. With `min_share`, only the values that at least this share of the reference
    samples have are counted: a set of real samples as small as the reference might lack a rarer one, too.
    """

    min_reference: ClassVar[int] = 1
    maximize: ClassVar[dict[str, bool]] = {
        "joint_kl_excess": False,
        "joint_kl": False,
        "cells": True,
        "values": True,
        "confident": True,
    }
    nonzero_floor: ClassVar[tuple[str, ...]] = ("joint_kl",)
    factor_values: list[Tensor]  # (n, factors) each; −1 in the rows of unreadable samples
    confident: list[Tensor]  # (n,) each: 0 or 1

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500, min_share: Share = 0.0) -> None:
        super().__init__(num_samples)
        self.feature, self.sizes, self.min_share = feature, tuple(feature.factors.values()), min_share
        self.counted = torch.empty(0, dtype=torch.bool)  # (values of all factors,)
        self.reference_shares: list[Tensor] = []  # (values,) for each factor
        self.num_reference = 0
        self.add_state("factor_values", [], dist_reduce_fx="cat")
        self.add_state("confident", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not self.sizes:
            return "factor coverage needs a feature that reads factors, such as feature=digits; this one reads none"
        if prod(self.sizes) > MAX_CELLS:
            return f"factor coverage counts {MAX_CELLS} joint cells at most, but the feature's factors make {prod(self.sizes)}"
        return self.feature.incompatibility(data.sample_shape)

    def set_reference(self, reference: Reference) -> None:
        values = [logits.argmax(1) for logits in reference.reading(self.feature).logits]
        self.num_reference = len(values[0])
        counts = [x.bincount(minlength=size) for x, size in zip(values, self.sizes, strict=True)]
        self.counted = torch.cat(counts) >= self.min_share * self.num_reference
        self.reference_shares = [(count + 1).double() / (count + 1).sum() for count in counts]

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": self.num_reference}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        if not len(samples):
            self.factor_values.append(torch.empty(0, len(self.sizes), dtype=torch.long))
            self.confident.append(torch.empty(0, dtype=torch.long))
            return
        best = [logits.softmax(1).max(1) for logits in self.feature(samples).logits]
        readable = torch.stack([probability.isfinite() for probability, _ in best]).all(0)
        self.factor_values.append(torch.stack([value for _, value in best], 1).where(readable.unsqueeze(1), -1))
        self.confident.append(torch.stack([probability > CONFIDENCE for probability, _ in best]).all(0).long())

    def compute(self) -> dict[str, Tensor]:
        states = (self.factor_values, self.confident)
        values, confident = (dim_zero_cat(x) if len(x) else torch.empty(0, len(self.sizes)).long() for x in states)
        if not len(values):
            raise TooFewSamplesError("factor_coverage: at least 1 generated sample is needed, not 0")
        readable = values[values[:, 0] >= 0]
        cell = torch.zeros(len(readable), dtype=torch.long)
        for value, size in zip(readable.T, self.sizes, strict=True):
            cell = cell * size + value
        q = reduce(lambda a, b: torch.outer(a, b).flatten(), self.reference_shares)
        cells, counts = torch.unique(cell, return_counts=True)
        share = counts.double() / len(cell)
        kl = (share * (share / q[cells]).log()).sum() if len(cell) else torch.tensor(float("nan"), dtype=torch.float64)
        sure = values[confident == 1]
        drawn = torch.cat([x.bincount(minlength=size) > 0 for x, size in zip(sure.T, self.sizes, strict=True)])
        return {
            "joint_kl_excess": kl - (expected_kl(q, len(cell)) if len(cell) else 0),
            "joint_kl": kl,
            "cells": torch.tensor(len(cells)),
            "values": drawn[self.counted].double().mean(),
            "confident": confident.double().mean(),
        }
