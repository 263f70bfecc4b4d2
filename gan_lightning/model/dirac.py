"""Dirac-GAN: one parameter each, G(z) = θ and D(x) = ψ · x (Mescheder et al. 2018, definition 2.1).

Whether alternating gradient descent converges is known here in closed form: with no penalty the players circle round (0, 0),
with R1 they spiral in. Nothing is hidden, so it tells a right implementation from a wrong one.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.doubling import Shape
from gan_lightning.step.types import Output

Real = Annotated[float, Field(allow_inf_nan=False)]


class Generator(nn.Module):
    """θ, whatever z is."""

    def __init__(self, sample_shape: Shape = (1,), start: Real = 1.0) -> None:
        super().__init__()
        if list(sample_shape) != [1]:
            raise ValueError(f"Dirac-GAN draws points of shape [1], not {list(sample_shape)}")
        self.theta = nn.Parameter(torch.tensor(float(start)))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, 1)
        return self.theta * torch.ones_like(z[:, :1])


class Discriminator(nn.Module):
    """ψ · x: the slope at which D judges."""

    num_features = 1

    def __init__(self, sample_shape: Shape = (1,), start: Real = 1.0) -> None:
        super().__init__()
        if list(sample_shape) != [1]:
            raise ValueError(f"Dirac-GAN judges points of shape [1], not {list(sample_shape)}")
        self.psi = nn.Parameter(torch.tensor(float(start)))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Output:  # (N, 1) -> (N,), (N, 1)
        return Output(self.psi * x.squeeze(1), x)
