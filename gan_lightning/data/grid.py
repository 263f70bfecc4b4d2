"""Gaussians on a square grid: 25 modes, the harder test (VEEGAN, Srivastava et al. 2017; PacGAN, Lin et al. 2018)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from gan_lightning.data.points import Points
from gan_lightning.data.ring import require_plane_points


class Grid(Points):
    """`side` × `side` centres `spacing` apart around the origin, each a Gaussian of `std`."""

    def __init__(
        self,
        side: Annotated[int, Field(ge=1)] = 5,
        spacing: Annotated[float, Field(gt=0)] = 2.0,
        std: Annotated[float, Field(gt=0)] = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        line = (torch.arange(side) - (side - 1) / 2) * spacing
        self.modes, self.std = torch.cartesian_prod(line, line), std

    def count(self) -> None:
        require_plane_points(self)
