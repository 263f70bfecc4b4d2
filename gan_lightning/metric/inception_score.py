"""The Inception score: how confidently each sample is classified, and how many classes the samples cover.

inception_score = exp(mean Σₖ pₖ ln(pₖ / p̄ₖ)), where p are a sample's class probabilities and p̄ their mean

It lies between 1 and the number of classes. It uses no reference samples, so a generator with one perfect image of each class
reaches the maximum. Salimans et al. 2016, section 4; computed on all samples at once instead of as the mean over ten subsets,
which would depend on the order of the samples (Barratt & Sharma 2018). The classes are those of the extractor's first factor.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature


class InceptionScore(GenerativeMetric):
    """Measure the effective number of classes that are generated and recognised."""

    maximize: ClassVar[dict[str, bool]] = {"inception_score": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("inception_score",)
    probability_sum: Tensor  # (classes,)
    negentropy_sum: Tensor
    count: Tensor

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.feature = feature
        classes = next(iter(feature.factors.values()), 1)
        self.add_state("probability_sum", torch.zeros(classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("negentropy_sum", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not self.feature.factors:
            return "the Inception score needs a feature that reads classes, such as feature=digits; this one reads none"
        return self.feature.incompatibility(data.sample_shape)

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        if not len(samples):
            return
        log_probability = self.feature(samples).logits[0].double().log_softmax(1)
        self.probability_sum += log_probability.exp().sum(0)
        self.negentropy_sum += (log_probability.exp() * log_probability).sum()
        self.count += len(samples)

    def compute(self) -> dict[str, Tensor]:
        if not self.count:
            raise TooFewSamplesError("inception_score: at least 1 generated sample is needed, not 0")
        mean = self.probability_sum / self.count
        return {"inception_score": (self.negentropy_sum / self.count - torch.xlogy(mean, mean).sum()).exp()}
