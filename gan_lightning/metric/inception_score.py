"""Whether a classifier is sure what each sample shows, and samples show everything: the Inception score.

inception_score = exp(mean Σₖ pₖ ln(pₖ / p̄ₖ)), p a sample's class probabilities and p̄ their mean: from 1 to the number of
classes. It asks no real sample, so a generator that draws one perfect image of each class reaches the maximum. Salimans et
al. 2016, section 4; over all samples at once instead of the mean of ten parts, which their order would choose (Barratt &
Sharma 2018). The classes are those of the extractor's first factor.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature


class InceptionScore(GenerativeMetric):
    """The effective number of classes that are drawn and recognised."""

    maximize: ClassVar[dict[str, bool]] = {"inception_score": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("inception_score",)
    shares: Tensor
    negentropy: Tensor
    seen: Tensor

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.feature = feature
        classes = next(iter(feature.factors.values()), 1)
        self.add_state("shares", torch.zeros(classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("negentropy", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not self.feature.factors:
            return "the Inception score needs a feature that reads classes, such as feature=digits; this one reads none"
        return self.feature.incompatibility(data.sample_shape)

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        if not len(samples):
            return
        log = self.feature(samples).logits[0].double().log_softmax(1)
        self.shares += log.exp().sum(0)
        self.negentropy += (log.exp() * log).sum()
        self.seen += len(samples)

    def compute(self) -> dict[str, Tensor]:
        if not self.seen:
            raise TooFewSamplesError("inception_score: at least 1 generated sample is needed, not 0")
        mean = self.shares / self.seen
        return {"inception_score": (self.negentropy / self.seen - torch.xlogy(mean, mean).sum()).exp()}
