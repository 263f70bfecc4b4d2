"""How far samples lie from the nearest mode, on average: for the Dirac-GAN, |θ| itself."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.data.points import Points
from gan_lightning.metric.base import GenerativeMetric, NumSamples
from gan_lightning.metric.reference import Reference


class Distance(GenerativeMetric):
    """In the data's own units."""

    maximize: ClassVar[dict[str, bool]] = {"distance": False}
    total: Tensor
    seen: Tensor

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.centres = torch.zeros(1, 1)
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Points):
            return "the distance needs data whose modes are known, such as data=dirac or data=ring; use metric=none"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Points)
        self.centres = reference.data.modes.double()

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.total += torch.cdist(samples.double(), self.centres.to(samples.device)).amin(1).sum()
        self.seen += len(samples)

    def compute(self) -> dict[str, Tensor]:
        return {"distance": self.total / self.seen}
