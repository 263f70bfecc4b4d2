"""What every score is: a torchmetrics.Metric over generated samples that gives named numbers."""

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

NumSamples = Annotated[int, Field(ge=1)]


class TooFewSamplesError(ValueError):
    """A score can't be computed from so few samples: one sentence that says how many it wants."""


class GenerativeMetric(Metric):
    """Bound to real samples once, then `reset`, `update` with generated ones, `compute`.

    What it hears is kept in torchmetrics' states, so that several ranks give one number.
    """

    maximize: ClassVar[dict[str, bool]] = {}  # each number's name → whether more is better; the first is the headline
    nonzero_floor: ClassVar[tuple[str, ...]] = ()  # numbers that are not 0 for real samples: reported as an excess, too
    conditional: ClassVar[bool] = False  # it asks the generator for classes
    uses_train_split: ClassVar[bool] = False  # it compares with training samples, so held-out ones are its floor
    uses_discriminator: ClassVar[bool] = False  # it asks the discriminator
    feature: Feature  # what it compares samples by, if its constructor takes one
    full_state_update = False

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__()
        self.num_samples = num_samples

    def incompatibility(self, data: Data) -> str | None:
        """Why these data can't be scored so, from their config alone; None: they can."""
        return None

    def set_reference(self, reference: Reference) -> None:
        """Learn from real samples what generated ones will be compared with."""

    def update(self, samples: Tensor, labels: Tensor | None) -> None:  # (N, *sample_shape), (N,)
        """Hear of N more samples."""
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:  # name -> ()
        """All numbers named in `higher`, and those that stand beside them. Raises TooFewSamplesError."""
        raise NotImplementedError


class FeatureMetric(GenerativeMetric):
    """Override `compare`. Where a sample is not finite, neither is any of the numbers."""

    least: ClassVar[int] = 2  # samples of either side
    heard: list[Tensor]  # (n, F) each

    def __init__(self, feature: Feature, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.feature, self.real = feature, torch.empty(0, 0, dtype=torch.float64)
        self.add_state("heard", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return self.feature.incompatibility(data.sample_shape)

    def set_reference(self, reference: Reference) -> None:
        self.real = reference.features(self.feature).double()

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.heard.append(self.feature(samples).features if len(samples) else torch.empty(0, self.real.shape[1]))

    def compute(self) -> dict[str, Tensor]:
        fake = dim_zero_cat(self.heard).double() if len(self.heard) else self.real[:0]
        for side, n in (("generated", len(fake)), ("real", len(self.real))):
            if n < self.least:
                name = type(self).__module__.rpartition(".")[2]
                raise TooFewSamplesError(f"{name}: at least {self.least} {side} samples are needed, not {n}")
        if not fake.isfinite().all():
            return {name: torch.tensor(float("nan")) for name in self.maximize}
        return self.compare(fake, self.real)

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:  # (N, F), (M, F) float64, finite
        """The numbers of these two sets."""
        raise NotImplementedError


def evenly_spaced(x: Tensor, n: int) -> Tensor:  # (M, F) -> (min(M, n), F)
    """N rows at even distances, whatever order of classes they stand in."""
    return x if len(x) <= n else x[torch.arange(n) * len(x) // n]
