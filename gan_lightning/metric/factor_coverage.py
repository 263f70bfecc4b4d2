"""Which combinations of factors are drawn, how evenly and how legibly: digits, pairs and triples of them, parts of faces.

A classifier reads each factor of a sample; together the values are its *joint cell*. joint_kl = Σ s ln (s / q) over the cells,
s the samples' share and q the product of the factors' shares among reads of real samples, one read of each value added so
that none is 0; joint_kl_excess is what is left above the expected joint_kl of as many draws from q. Counts of cells alone
are gamed by noise, so `confident` stands beside them. After Stacked MNIST: Metz et al. 2017, section 3.3.1; VEEGAN,
Srivastava et al. 2017, section 5.2.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.multinomial import expected_kl
from gan_lightning.metric.reference import Reference

SURE = 0.7
MOST = 1_000_000  # joint cells


class FactorCoverage(GenerativeMetric):
    """`joint_kl` in nats, `cells` a count, `values` the share of single values that are seen legibly, `confident` a share."""

    maximize: ClassVar[dict[str, bool]] = {
        "joint_kl_excess": False,
        "joint_kl": False,
        "cells": True,
        "values": True,
        "confident": True,
    }
    nonzero_floor: ClassVar[tuple[str, ...]] = ("joint_kl",)
    read: list[Tensor]  # (n, factors) each: the values
    sure: list[Tensor]  # (n,) each: 1 where every factor is

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.feature, self.sizes = feature, tuple(feature.factors.values())
        self.expected: list[Tensor] = []  # a distribution for each factor
        self.add_state("read", [], dist_reduce_fx="cat")
        self.add_state("sure", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not self.sizes:
            return "factor coverage needs a feature that reads factors, such as feature=digits; this one reads none"
        if prod(self.sizes) > MOST:
            return f"factor coverage counts {MOST} joint cells at most, but the feature's factors make {prod(self.sizes)}"
        return self.feature.incompatibility(data.sample_shape)

    def set_reference(self, reference: Reference) -> None:
        reads = [logits.argmax(1) for logits in reference.reading(self.feature).logits]
        counts = [read.bincount(minlength=k) + 1 for read, k in zip(reads, self.sizes, strict=True)]
        self.expected = [count.double() / count.sum() for count in counts]

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        if not len(samples):
            self.read.append(torch.empty(0, len(self.sizes), dtype=torch.long))
            self.sure.append(torch.empty(0, dtype=torch.long))
            return
        best = [logits.softmax(1).max(1) for logits in self.feature(samples).logits]
        legible = torch.stack([p.isfinite() for p, _ in best]).all(0)  # what can't be read stands in no cell
        self.read.append(torch.stack([value for _, value in best], 1).where(legible.unsqueeze(1), -1))
        self.sure.append(torch.stack([p > SURE for p, _ in best]).all(0).long())

    def compute(self) -> dict[str, Tensor]:
        read, sure = (dim_zero_cat(x) if len(x) else torch.empty(0, len(self.sizes)).long() for x in (self.read, self.sure))
        if not len(read):
            raise TooFewSamplesError("factor_coverage: at least 1 generated sample is needed, not 0")
        legible = read[read[:, 0] >= 0]
        cell = torch.zeros(len(legible), dtype=torch.long)
        for value, size in zip(legible.T, self.sizes, strict=True):
            cell = cell * size + value
        q = reduce(lambda a, b: torch.outer(a, b).flatten(), self.expected)
        seen, count = torch.unique(cell, return_counts=True)
        share = count.double() / len(cell)
        kl = (share * (share / q[seen]).log()).sum() if len(cell) else torch.tensor(float("nan"), dtype=torch.float64)
        legibly = sum(len(values.unique()) for values in read[sure == 1].T)
        return {
            "joint_kl_excess": kl - (expected_kl(q, len(cell)) if len(cell) else 0),
            "joint_kl": kl,
            "cells": torch.tensor(len(seen)),
            "values": torch.tensor(legibly / sum(self.sizes), dtype=torch.float64),
            "confident": sure.double().mean(),
        }
