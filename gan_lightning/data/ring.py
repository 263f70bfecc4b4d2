"""Gaussians on a circle, the first test of whether a GAN finds all modes.

Metz et al. 2017; VEEGAN, Srivastava et al. 2017.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from pydantic import Field

from gan_lightning.data.base import DataError
from gan_lightning.data.points import Points


class Ring(Points):
    """Place `modes` centres on a circle of `radius`, each a Gaussian with standard deviation `std`."""

    def __init__(
        self,
        modes: Annotated[int, Field(ge=1, le=1_000_000)] = 8,
        radius: Annotated[float, Field(gt=0)] = 1.0,
        std: Annotated[float, Field(gt=0)] = 0.01,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        angle = torch.arange(modes) * (2 * math.pi / modes)
        self.modes, self.std = radius * torch.stack([angle.cos(), angle.sin()], 1), std

    def count(self) -> None:
        require_plane_points(self)


def require_plane_points(data: Points) -> None:
    """Raise DataError unless the config describes unlabelled points in the plane."""
    if data.sample_shape != (2,):
        raise DataError(f"data.sample_shape: {list(data.sample_shape)} is no shape of points in the plane; allowed: [2]")
    if data.num_classes:
        raise DataError(f"data.num_classes: the points are unlabelled, 0, not {data.num_classes}")
