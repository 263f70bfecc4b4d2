"""Rows of tables: G draws a value and chooses a mode or category for each column, D reads both.

    x[c] = (tanh a_c, choice(l_c))        a_c a number, l_c the logits of column c's slots

The choice is that of `layer/choice`: Gumbel-softmax in training, the largest in eval mode. Fully connected, with residual
blocks of two layers and LeakyReLU 0.2. After CTGAN (Xu et al. 2019, section 4.3), without its batch normalisation, conditions
and dropout: R1 and R2 keep D from learning the rows by heart.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.choice import Choice, Temperature
from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.dense_residual import DenseBlock
from gan_lightning.step.types import Count, Output, Shape


class Generator(nn.Module):
    """Draw rows as matrices (columns, 1 + slots); raises ValueError for samples of another shape."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        width: Count = 256,
        depth: Count = 2,
        temperature: Temperature = 1.0,
        final_temperature: Temperature = 0.5,
        noise: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__()
        require_rows(sample_shape)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, width),
            *(DenseBlock(width) for _ in range(depth)),
            *(nn.LeakyReLU(0.2), nn.Linear(width, math.prod(sample_shape)), nn.Unflatten(1, tuple(sample_shape))),
        )
        self.choice = Choice(temperature, final_temperature, noise)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, C, 1 + slots)
        x = self.layers(z).transpose(1, 2)  # the choice is along dimension 1
        return torch.cat([x[:, :1].tanh(), self.choice(x[:, 1:])], 1).transpose(1, 2)


class Discriminator(nn.Module):
    """Score rows, each independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, width: Count = 256, depth: Count = 2) -> None:
        super().__init__()
        require_rows(sample_shape)
        self.num_features = width
        self.layers = nn.Sequential(
            *(nn.Flatten(), nn.Linear(math.prod(sample_shape), width)),
            *(DenseBlock(width) for _ in range(depth)),
            nn.LeakyReLU(0.2),
        )
        self.head = Projection(width, 0)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, 1 + slots) -> (N,), (N, F)
        return self.head(self.layers(x), None)


def require_rows(sample_shape: Shape) -> None:
    """Raise ValueError unless samples have the shape of rows."""
    if len(sample_shape) != 2 or sample_shape[1] < 2:
        raise ValueError(f"{list(sample_shape)} is no shape of a table's rows; needed: (columns, 1 + slots)")
