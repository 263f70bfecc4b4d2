"""Dirac-GAN: one parameter each, G(z) = θ and D(x) = ψ · x (Mescheder et al. 2018, definition 2.1).

The path of alternating gradient descent is known in closed form: without a penalty (θ, ψ) circles around (0, 0), with R1 it
spirals inwards. So a correct implementation of the updates can be distinguished from a wrong one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.step.types import FiniteFloat, Output, Shape


class Generator(nn.Module):
    """Return θ for every z. Raises ValueError unless `sample_shape` is [1]."""

    def __init__(self, sample_shape: Shape = (1,), start: FiniteFloat = 1.0) -> None:
        super().__init__()
        if list(sample_shape) != [1]:
            raise ValueError(f"Dirac-GAN draws points of shape [1], not {list(sample_shape)}")
        self.theta = nn.Parameter(torch.tensor(float(start)))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, 1)
        return self.theta * torch.ones_like(z[:, :1])


class Discriminator(nn.Module):
    """Return the logit ψ · x. Raises ValueError unless `sample_shape` is [1]."""

    num_features = 1

    def __init__(self, sample_shape: Shape = (1,), start: FiniteFloat = 1.0) -> None:
        super().__init__()
        if list(sample_shape) != [1]:
            raise ValueError(f"Dirac-GAN judges points of shape [1], not {list(sample_shape)}")
        self.psi = nn.Parameter(torch.tensor(float(start)))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, 1) -> (N,), (N, 1)
        return Output(self.psi * x.squeeze(1), x)
