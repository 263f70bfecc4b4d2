"""Rows of tables: G draws a value and chooses a mode or category for each column, D reads both.

    x[c] = (tanh a_c, choice(l_c))        a_c a number, l_c the logits of column c's slots

The choice is that of `layer/choice`: Gumbel-softmax in training, the largest in eval mode. Fully connected, with residual
blocks of two layers and LeakyReLU 0.2. After CTGAN (Xu et al. 2019, section 4.3), without its batch normalisation, conditions
and dropout: R1 and R2 keep D from learning the rows by heart.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.choice import Choice, Temperature
from gan_lightning.model.layer.dense_residual import DenseDiscriminator, dense_generator
from gan_lightning.step.types import Count, Shape


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
        self.layers = dense_generator(latent_dim, sample_shape, width, depth)
        self.choice = Choice(temperature, final_temperature, noise)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, C, 1 + slots)
        x = self.layers(z).transpose(1, 2)  # the choice is along dimension 1
        return torch.cat([x[:, :1].tanh(), self.choice(x[:, 1:])], 1).transpose(1, 2)


class Discriminator(DenseDiscriminator):
    """Score rows, each independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, width: Count = 256, depth: Count = 2) -> None:
        require_rows(sample_shape)
        super().__init__(sample_shape, width, depth)


def require_rows(sample_shape: Shape) -> None:
    """Raise ValueError unless samples have the shape of rows."""
    if len(sample_shape) != 2 or sample_shape[1] < 2:
        raise ValueError(f"{list(sample_shape)} is no shape of a table's rows; needed: (columns, 1 + slots)")
