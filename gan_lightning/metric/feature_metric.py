"""A score that compares samples by an extractor's features: it keeps them until it is asked."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.metric.base import Samples, Score, TooFew
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.reference import Reference


class FeatureScore(Score):
    """Override `compare`. Where a sample is not finite, neither is any of the numbers."""

    least: ClassVar[int] = 2  # samples of either side
    heard: list[Tensor]  # (n, F) each

    def __init__(self, feature: Feature, num_samples: Samples = 2500) -> None:
        super().__init__(num_samples)
        self.feature, self.real = feature, torch.empty(0, 0, dtype=torch.float64)
        self.add_state("heard", [], dist_reduce_fx="cat")

    def unfit(self, data: Data) -> str | None:
        return self.feature.unfit(data.sample_shape)

    def bind(self, reference: Reference) -> None:
        self.real = reference.features(self.feature).double()

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.heard.append(self.feature(samples).features if len(samples) else torch.empty(0, self.real.shape[1]))

    def compute(self) -> dict[str, Tensor]:
        fake = dim_zero_cat(self.heard).double() if len(self.heard) else self.real[:0]
        for side, n in (("generated", len(fake)), ("real", len(self.real))):
            if n < self.least:
                name = type(self).__module__.rpartition(".")[2]
                raise TooFew(f"{name}: at least {self.least} {side} samples are needed, not {n}")
        if not fake.isfinite().all():
            return {name: torch.tensor(float("nan")) for name in self.higher}
        return self.compare(fake, self.real)

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:  # (N, F), (M, F) float64, finite
        """The numbers of these two sets."""
        raise NotImplementedError


def spaced(x: Tensor, n: int) -> Tensor:  # (M, F) -> (min(M, n), F)
    """N rows at even distances, whatever order of classes they stand in."""
    return x if len(x) <= n else x[torch.arange(n) * len(x) // n]
