"""The base classes of the metrics: a torchmetrics.Metric that maps generated samples to named numbers."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.reference import Reference

NumSamples = Annotated[int, Field(ge=1, le=10_000_000)]


class TooFewSamplesError(ValueError):
    """Report in one sentence that a metric needs more samples than it was given."""


class GenerativeMetric(Metric):
    """Score generated samples: call `set_reference` once, then `reset`, `update` and `compute` for each evaluation.

    Store what `update` collects in torchmetrics states (`add_state`), so that all ranks together compute one number.
    """

    maximize: ClassVar[dict[str, bool]] = {}  # each number's name → whether more is better; the first is the default objective
    nonzero_floor: ClassVar[tuple[str, ...]] = ()  # numbers that real samples do not bring to 0: the excess is reported, too
    conditional: ClassVar[bool] = False  # needs a class-conditional generator
    uses_train_split: ClassVar[bool] = False  # compares with training samples, so its floor is that of held-out samples
    min_samples: ClassVar[int] = 1  # generated samples that it needs
    min_reference: ClassVar[int] = 0  # reference samples that it needs
    uses_discriminator: ClassVar[bool] = False  # needs Reference.discriminator_function
    uses_latents: ClassVar[bool] = False  # `update` gets `latents` too, z and the generator; it has no floor
    feature: Feature  # the feature extractor; set only by metrics whose constructor has this parameter
    full_state_update = False

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__()
        self.num_samples = num_samples

    def incompatibility(self, data: Data) -> str | None:
        """Return why the metric can't score samples of these data, from their config alone; None if it can."""
        return None

    def set_reference(self, reference: Reference) -> None:
        """Precompute what generated samples are compared with."""

    def real_samples(self, num_generated: int) -> dict[str, int]:
        """Return how many real samples `num_generated` generated ones are compared with, by what they serve for."""
        return {}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:  # (N, *sample_shape), (N, …)
        """Add N generated samples; N may be 0."""
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:  # name -> ()
        """Return all numbers named in `maximize`, and possibly others. Raises TooFewSamplesError."""
        raise NotImplementedError


class FeatureMetric(GenerativeMetric):
    """Compare the features of generated samples with those of reference samples; subclasses implement `compare`.

    Every number is NaN if any generated feature is not finite.
    """

    min_samples: ClassVar[int] = 2
    min_reference: ClassVar[int] = 2
    generated_features: list[Tensor]  # (n, F) each

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.feature, self.reference_features = feature, torch.empty(0, 0, dtype=torch.float64)
        self.add_state("generated_features", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return self.feature.incompatibility(data.sample_shape)

    def set_reference(self, reference: Reference) -> None:
        self.reference_features = reference.features(self.feature).double()

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference_features)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        empty = torch.empty(0, self.reference_features.shape[1])
        self.generated_features.append(self.feature(samples).features if len(samples) else empty)

    def compute(self) -> dict[str, Tensor]:
        reference = self.reference_features
        generated = dim_zero_cat(self.generated_features).double() if len(self.generated_features) else reference[:0]
        counts = {"generated": (len(generated), self.min_samples), "real": (len(reference), self.min_reference)}
        for kind, (n, needed) in counts.items():
            if n < needed:
                name = type(self).__module__.rpartition(".")[2]
                raise TooFewSamplesError(f"{name}: at least {needed} {kind} samples are needed, not {n}")
        if not generated.isfinite().all():
            return {name: torch.tensor(float("nan")) for name in self.maximize}
        return self.compare(generated, reference)

    def compare(self, generated: Tensor, reference: Tensor) -> dict[str, Tensor]:  # (N, F), (M, F) float64, finite
        """Return the numbers for these two sets of features; N and M are at least `min_samples`."""
        raise NotImplementedError
