"""Small networks that repeat pixels and then convolve, which avoids checkerboard artefacts (Odena et al. 2016).

The digits' network. G: linear to 2 · `width` maps, then per doubling nearest ×2, 3×3 convolution to `width` maps, batch
normalisation, LeakyReLU 0.2; tanh. D: 3×3 convolution to `width` maps, then per halving a 4×4 convolution of stride 2, the last
one to 2 · `width` maps, LeakyReLU 0.2; linear with label projection. D has no normalisation, so that a gradient penalty applies
to each sample independently.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.model.layer.doubling import doubling, image_shape
from gan_lightning.step.types import Count, NumValues, Output, Shape


class Generator(nn.Module):
    """Draw images from z; 62 thousand parameters for 8×8 digits in 10 classes, 71 thousand for 16×16."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 32) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        self.doubling = h, w, times = doubling(*size, least=4)
        wide = 2 * width
        self.num_classes = num_classes
        self.start = nn.Sequential(
            nn.Linear(latent_dim + one_hot_size(num_classes), wide * h * w, bias=False),
            nn.Unflatten(1, (wide, h, w)),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
        )
        layers: list[nn.Module] = []
        for inputs in [wide, *[width] * (times - 1)]:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        return torch.tanh(self.layers(self.start(concat_class(z, condition, self.num_classes))))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 32) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size, least=4)
        wide = 2 * width
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for outputs in [*[width] * (times - 1), wide]:
            layers += [nn.Conv2d(width, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.num_features = wide * h * w
        self.head = Projection(self.num_features, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), condition)
