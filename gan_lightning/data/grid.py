"""Gaussians on a square grid, a harder test of mode coverage than the ring: 25 modes by default.

VEEGAN, Srivastava et al. 2017; PacGAN, Lin et al. 2018.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from gan_lightning.data.points import Points
from gan_lightning.data.ring import require_plane_points


class Grid(Points):
    """Place `side` × `side` centres around the origin, `spacing` apart, each a Gaussian with standard deviation `std`."""

    def __init__(
        self,
        side: Annotated[int, Field(ge=1, le=1000)] = 5,
        spacing: Annotated[float, Field(gt=0)] = 2.0,
        std: Annotated[float, Field(gt=0)] = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        coordinates = (torch.arange(side) - (side - 1) / 2) * spacing
        self.modes, self.std = torch.cartesian_prod(coordinates, coordinates), std

    def count(self) -> None:
        require_plane_points(self)
