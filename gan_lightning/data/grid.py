"""Gaussians on a square grid: 25 modes, the harder test (VEEGAN, Srivastava et al. 2017; PacGAN, Lin et al. 2018)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from gan_lightning.data.base import BatchSize, Classes, Seed, Shape, Workers
from gan_lightning.data.points import Points
from gan_lightning.data.ring import plane


class Grid(Points):
    """`side` × `side` centres `spacing` apart around the origin, each a Gaussian of `std`."""

    def __init__(
        self,
        sample_shape: Shape = (2,),
        num_classes: Classes = 0,
        batch_size: BatchSize = 256,
        workers: Workers = 0,
        seed: Seed = 0,
        batches_per_step: BatchSize = 1,
        side: Annotated[int, Field(ge=1)] = 5,
        spacing: Annotated[float, Field(gt=0)] = 2.0,
        std: Annotated[float, Field(gt=0)] = 0.05,
    ) -> None:
        super().__init__(sample_shape, num_classes, batch_size, workers, seed, batches_per_step)
        line = (torch.arange(side) - (side - 1) / 2) * spacing
        self.modes, self.std = torch.cartesian_prod(line, line), std

    def count(self) -> None:
        plane(self)
