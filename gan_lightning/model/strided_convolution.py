"""DCGAN's strided networks for a gradient penalty: no normalisation in D, and the fewest operations per image.

G: linear to feature maps, batch normalisation, LeakyReLU 0.2; then per doubling a transposed 4×4 convolution of stride 2, to
half as many maps in each; tanh. D: per halving a 4×4 convolution of stride 2, LeakyReLU 0.2; then a dense layer of `hidden`
features and label projection. Strided convolutions replace those at the full size, which take most of the time on a CPU.
Radford et al. 2016, section 3; D has no batch normalisation, because a gradient penalty applies to each sample independently:
Gulrajani et al. 2017, section 4.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubled_widths, doubling, image_shape
from gan_lightning.step.types import Count, NumClasses, Output, Shape

MAX_GROWTH = 8  # of the number of maps, from the sample inwards


class Generator(nn.Module):
    """Draw images from z; `width` is the number of maps at half the image's size."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 32) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        maps = doubled_widths(width, times - 1, MAX_GROWTH * width)[::-1]
        self.num_classes = num_classes
        layers: list[nn.Module] = [
            nn.Linear(latent_dim + num_classes, maps[0] * h * w, bias=False),
            nn.Unflatten(1, (maps[0], h, w)),
            *(nn.BatchNorm2d(maps[0]), nn.LeakyReLU(0.2)),
        ]
        for inputs, outputs in itertools.pairwise(maps):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        return torch.tanh(self.layers(concat_class(z, condition, self.num_classes)))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 32, hidden: Count = 256) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size, least=4)
        maps = [channels, *doubled_widths(width, times - 1, MAX_GROWTH * width)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(maps):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), nn.Linear(maps[-1] * h * w, hidden), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.num_features = hidden
        self.head = Projection(hidden, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), condition)
