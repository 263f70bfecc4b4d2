"""The purity of InfoGAN's categorical code: whether samples with one value of the code show one class.

code_purity = Σ over code values of (samples of their most frequent class) / all samples

The class is that of the feature extractor, which training has not seen. `code_classes` is the number of classes that are the
most frequent one of some value. A random code has the purity of the largest class. Chen et al. 2016, section 7.2, where each
value is matched with a digit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.feature.base import Feature
from gan_lightning.step.latents import Latents
from gan_lightning.step.types import Count


class CodePurity(GenerativeMetric):
    """Measure how well the first `num_categories` coordinates of z, a one-hot code, predict the class of the sample."""

    maximize: ClassVar[dict[str, bool]] = {"code_purity": True, "code_classes": True}
    uses_latents: ClassVar[bool] = True
    counts: Tensor  # (values of the code, classes)

    def __init__(self, feature: Feature, num_categories: Count, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.feature, self.num_categories = feature, num_categories
        classes = next(iter(feature.factors.values()), 1)
        self.add_state("counts", torch.zeros(num_categories, classes, dtype=torch.long), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if len(self.feature.factors) != 1:
            return "needs a feature extractor that classifies samples, such as feature=digits"
        return self.feature.incompatibility(data.sample_shape)

    def update(self, samples: Tensor, condition: Tensor | None, latents: Latents | None = None) -> None:
        if not len(samples):
            return
        assert latents is not None, "the code is the beginning of z"
        code = latents.z[:, : self.num_categories].argmax(1).to(self.counts.device)
        predicted = self.feature(samples).logits[0].argmax(1).to(self.counts.device)
        self.counts.index_put_((code, predicted), torch.ones_like(code), accumulate=True)

    def compute(self) -> dict[str, Tensor]:
        if not self.counts.sum():
            raise TooFewSamplesError("code_purity: at least 1 generated sample is needed, not 0")
        most, which = self.counts.max(1)
        used = len(set(which[most > 0].tolist()))
        return {"code_purity": most.sum().double() / self.counts.sum(), "code_classes": torch.tensor(float(used))}
