"""The mean distance of generated samples from the nearest mode; for the Dirac-GAN it is |θ|."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.data.points import Points
from gan_lightning.metric.base import GenerativeMetric, NumSamples
from gan_lightning.metric.reference import Reference


class Distance(GenerativeMetric):
    """Measure the distance in the data's own units."""

    maximize: ClassVar[dict[str, bool]] = {"distance": False}
    distance_sum: Tensor
    count: Tensor

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.modes = torch.zeros(1, 1)
        self.add_state("distance_sum", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Points):
            return "the distance needs data whose modes are known, such as data=dirac or data=ring; use metric=none"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Points)
        self.modes = reference.data.modes.double()

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.distance_sum += torch.cdist(samples.double(), self.modes.to(samples.device)).amin(1).sum()
        self.count += len(samples)

    def compute(self) -> dict[str, Tensor]:
        return {"distance": self.distance_sum / self.count}
