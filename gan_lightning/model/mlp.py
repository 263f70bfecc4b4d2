"""Fully connected networks, for points, short signals and the first GANs (Goodfellow et al. 2014, section 5).

Hidden layers with LeakyReLU 0.2 in G and D, no normalisation. Samples of any shape are flattened; only images end in tanh,
because points and signals have no fixed range.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.step.types import Count, NumValues, Output, Shape


def hidden(inputs: int, width: int, depth: int) -> nn.Sequential:
    """Return `depth` hidden layers of `width` units."""
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(width if i else inputs, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class Generator(nn.Module):
    """Draw samples of any shape; those of three dimensions are images, in [-1, 1]."""

    def __init__(
        self, latent_dim: Count, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 128, depth: Count = 3
    ) -> None:
        super().__init__()
        self.sample_shape, self.num_classes = tuple(sample_shape), num_classes
        self.hidden = hidden(latent_dim + one_hot_size(num_classes), width, depth)
        self.out = nn.Linear(width, math.prod(sample_shape))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, *sample_shape)
        x = self.out(self.hidden(concat_class(z, condition, self.num_classes))).unflatten(1, self.sample_shape)
        return torch.tanh(x) if len(self.sample_shape) == 3 else x


class Discriminator(nn.Module):
    """Score samples of any shape by a mirror image of G, with label projection."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 128, depth: Count = 3) -> None:
        super().__init__()
        self.num_features = width
        self.hidden = hidden(math.prod(sample_shape), width, depth)
        self.head = Projection(width, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, *sample_shape), (N,) -> (N,), (N, width)
        return self.head(self.hidden(x.flatten(1)), condition)
