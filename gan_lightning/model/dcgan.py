"""DCGAN: strided convolutions and batch normalisation instead of pooling and dense layers (Radford et al. 2016, section 3).

G projects z to a few wide feature maps and doubles them with transposed convolutions up to the sample's size; ReLU, tanh at
the end. D is its mirror image with LeakyReLU 0.2. Batch normalisation everywhere but on G's output and D's input; weights
start from N(0, 0.02). Reaches any even height and width: 64×64 is 4×4 doubled four times, as published, 28×28 is 7×7 doubled
twice. Conditional on classes: one-hot beside z, label projection in D (both younger than the paper, see `layer.condition`).
"""

from __future__ import annotations

import itertools
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.model.layer.doubling import Shape, doubling, image_shape
from gan_lightning.step.types import Output

Count = Annotated[int, Field(ge=1)]
Classes = Annotated[int, Field(ge=0)]
MAX_CHANNELS = 4  # of a sample; D sees `packing` times as many


def widths(width: int, times: int) -> list[int]:
    """Feature maps from the sample inwards: `width`, doubled at each halving of the side, at most 8 times `width`."""
    return [width * min(2**i, 8) for i in range(times)]


def initialize(network: nn.Module) -> None:
    """Weights from N(0, 0.02), scales of batch normalisation from N(1, 0.02), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        if isinstance(getattr(module, "bias", None), Tensor):
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class Generator(nn.Module):
    """`width` is the number of feature maps before the last doubling, 128 in the paper."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: Classes = 0, width: Count = 128) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        height, breadth, times = doubling(*size)
        maps = widths(width, times)[::-1]
        self.num_classes = num_classes
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim + num_classes, maps[0], (height, breadth), bias=False),
            nn.BatchNorm2d(maps[0]),
            nn.ReLU(),
        ]
        for before, after in itertools.pairwise(maps):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1))
        initialize(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        return torch.tanh(self.layers(concat_class(z, labels, self.num_classes)[..., None, None]))


class Discriminator(nn.Module):
    """Batch statistics enter: real and fake are judged in batches of their own."""

    def __init__(self, sample_shape: Shape, num_classes: Classes = 0, width: Count = 128) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        height, breadth, times = doubling(*size)
        maps = widths(width, times)
        layers: list[nn.Module] = [nn.Conv2d(channels, maps[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in itertools.pairwise(maps):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.num_features = maps[-1] * height * breadth
        self.head = Projection(self.num_features, num_classes)
        initialize(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), labels)
