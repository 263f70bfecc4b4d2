"""DCGAN: strided convolutions and batch normalisation instead of pooling and dense layers (Radford et al. 2016, section 3).

G projects z to small feature maps, and transposed convolutions double their size up to the sample's; ReLU, tanh at the end. D
is its mirror image with LeakyReLU 0.2. Batch normalisation everywhere but on G's output and D's input; weights start from
N(0, 0.02). Any even height and width is possible: 64×64 is 4×4 doubled four times, as published, 28×28 is 7×7 doubled twice.
Conditional on classes: one-hot label beside z, label projection in D (neither is in the paper, see `layer.condition`).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubling, image_shape
from gan_lightning.step.types import Count, NumValues, Output, Shape


def widths(width: int, times: int) -> list[int]:
    """Return each layer's number of feature maps, from the sample inwards: `width`, doubled per layer up to 8 · `width`."""
    return [width * min(2**i, 8) for i in range(times)]


def initialize(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and scales of batch normalisation from N(1, 0.02), and set biases to 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        if isinstance(getattr(module, "bias", None), Tensor):
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class Generator(nn.Module):
    """Draw images from z; `width` is the number of feature maps before the last doubling, 128 in the paper."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 128) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size)
        maps = widths(width, times)[::-1]
        self.num_classes = num_classes
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim + one_hot_size(num_classes), maps[0], (h, w), bias=False),
            nn.BatchNorm2d(maps[0]),
            nn.ReLU(),
        ]
        for inputs, outputs in itertools.pairwise(maps):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1))
        initialize(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        return torch.tanh(self.layers(concat_class(z, condition, self.num_classes)[..., None, None]))


class Discriminator(nn.Module):
    """Score samples normalised by batch statistics, so that real and fake samples must be passed in separate batches."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 128) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size)
        maps = widths(width, times)
        layers: list[nn.Module] = [nn.Conv2d(channels, maps[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in itertools.pairwise(maps):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.num_features = maps[-1] * h * w
        self.head = Projection(self.num_features, num_classes)
        initialize(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), condition)
