"""Points on the line with a known density: a mixture of Gaussians with equal weights.

p(x) = mean of N(x; centre, std²) over `centres`
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.data.base import DataError
from gan_lightning.data.points import Points
from gan_lightning.step.types import FiniteFloat


class Line(Points):
    """Place a Gaussian with standard deviation `std` at each of the `centres`."""

    def __init__(
        self,
        centres: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)] = (-1.0, 1.0),
        std: Annotated[float, Field(gt=0)] = 0.5,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.modes, self.std = torch.tensor(centres, dtype=torch.float32).unsqueeze(1), std

    def density(self, x: Tensor) -> Tensor:  # (N,) -> (N,)
        """Return p(x)."""
        distance = (x.unsqueeze(1) - self.modes.squeeze(1).to(x)) / self.std
        return (-distance.square() / 2).exp().mean(1) / (self.std * math.sqrt(2 * math.pi))

    def count(self) -> None:
        if self.sample_shape != (1,):
            raise DataError(f"data.sample_shape: {list(self.sample_shape)} is no shape of points on the line; allowed: [1]")
        if self.num_classes:
            raise DataError(f"data.num_classes: the points are unlabelled, 0, not {self.num_classes}")
