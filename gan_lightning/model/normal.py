"""A generator with a known density: G(z) = mean + std · z₁, so that its samples are N(mean, std²) for standard normal z.

Therefore the optimal discriminator is known too (`experiment=optimal_discriminator`); the trained discriminator is `mlp`'s.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.types import FiniteFloat, Shape


class Generator(nn.Module):
    """Shift and scale the first coordinate of z; both are learned. Raises ValueError unless `sample_shape` is [1]."""

    def __init__(self, sample_shape: Shape = (1,), mean: FiniteFloat = 0.0, std: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        if list(sample_shape) != [1]:
            raise ValueError(f"the normal generator draws points of shape [1], not {list(sample_shape)}")
        self.mean = nn.Parameter(torch.tensor(float(mean)))
        self.log_std = nn.Parameter(torch.tensor(math.log(std)))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, 1)
        return self.mean + self.log_std.exp() * z[:, :1]

    @property
    def moments(self) -> tuple[Tensor, Tensor]:  # -> (), ()
        """Return mean and standard deviation."""
        return self.mean, self.log_std.exp()

    def density(self, x: Tensor) -> Tensor:  # (N,) -> (N,)
        """Return the density of the samples at `x` for z ~ N(0, 1)."""
        mean, std = (value.detach().to(x) for value in self.moments)
        return (-((x - mean) / std).square() / 2).exp() / (std * math.sqrt(2 * math.pi))
