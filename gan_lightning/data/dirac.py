"""One point, always 0: the data of the Dirac-GAN (Mescheder et al. 2018, definition 2.1)."""

from __future__ import annotations

import torch

from gan_lightning.data.base import BatchSize, Classes, DataError, Seed, Shape, Workers
from gan_lightning.data.points import Points


class Dirac(Points):
    """The equilibrium is G(z) = 0 with a flat D; whether a loss gets there is known in closed form."""

    def __init__(
        self,
        sample_shape: Shape = (1,),
        num_classes: Classes = 0,
        batch_size: BatchSize = 1,
        workers: Workers = 0,
        seed: Seed = 0,
        batches_per_step: BatchSize = 1,
    ) -> None:
        super().__init__(sample_shape, num_classes, batch_size, workers, seed, batches_per_step)
        self.modes, self.std = torch.zeros(1, 1), 0.0

    def count(self) -> None:
        if self.sample_shape != (1,) or self.num_classes:
            raise DataError("data: the one point has sample_shape [1] and num_classes 0")
