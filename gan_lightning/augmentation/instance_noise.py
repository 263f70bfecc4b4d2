"""Instance noise: Gaussian noise is added to what D receives, so that the distributions of real and generated samples overlap.

x + `std` · `schedule`(progress) · n, n ~ N(0, I). The noise is reduced during training. Sønderby et al. 2017, section 3.2;
Arjovsky & Bottou 2017, section 3.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Schedule


class InstanceNoise(Augmentation):
    """Add noise with a standard deviation that follows a schedule; samples of any shape."""

    scale: Tensor  # (), the standard deviation at this step

    def __init__(self, std: Annotated[float, Field(ge=0)] = 0.1, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.std, self.schedule = std, schedule or Constant()
        self.register_buffer("scale", torch.tensor(float(std)), persistent=False)

    def advance(self, progress: Progress) -> None:
        self.scale.fill_(self.std * self.schedule(progress.fraction))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x)
