"""A single point at 0: the data distribution of the Dirac-GAN (Mescheder et al. 2018, definition 2.1)."""

from __future__ import annotations

from typing import Any

import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.points import Points


class Dirac(Points):
    """Place all samples at 0.

    The equilibrium is G(z) = 0 with a constant D; whether a loss converges to it is known in closed form.
    """

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.modes, self.std = torch.zeros(1, 1), 0.0

    def count(self) -> None:
        if self.sample_shape != (1,) or self.num_classes:
            raise DataError("data: the one point has sample_shape [1] and num_classes 0")
