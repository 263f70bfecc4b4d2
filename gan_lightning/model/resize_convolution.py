"""Small networks that enlarge by repeating pixels and then convolve: no checkerboards (Odena et al. 2016).

The digits' network. G: linear to `wide` maps, then per doubling nearest ×2, 3×3 convolution to `width` maps, batch
normalisation, LeakyReLU 0.2; tanh. D the other way: 3×3 convolution to `width` maps, then per halving a 4×4 convolution of
stride 2, the last one to `wide` maps, LeakyReLU 0.2, no normalisation, so that gradient penalties mean what they say; linear
with label projection. `wide` is twice `width`.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.model.layer.doubling import Shape, doubling, image_shape
from gan_lightning.step.types import Output

Count = Annotated[int, Field(ge=1)]
Classes = Annotated[int, Field(ge=0)]


class Generator(nn.Module):
    """62 thousand parameters for 8×8 digits in 10 classes, 71 thousand for 16×16."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: Classes = 0, width: Count = 32) -> None:
        super().__init__()
        channels, *side = image_shape(sample_shape)
        height, breadth, times = doubling(side[0], side[1], least=4)
        wide = 2 * width
        self.num_classes = num_classes
        self.start = nn.Sequential(
            nn.Linear(latent_dim + num_classes, wide * height * breadth, bias=False),
            nn.Unflatten(1, (wide, height, breadth)),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
        )
        layers: list[nn.Module] = []
        for before in [wide, *[width] * (times - 1)]:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        return torch.tanh(self.layers(self.start(concat_class(z, labels, self.num_classes))))


class Discriminator(nn.Module):
    """No sample's logit depends on another's."""

    def __init__(self, sample_shape: Shape, num_classes: Classes = 0, width: Count = 32) -> None:
        super().__init__()
        channels, *side = image_shape(sample_shape)
        height, breadth, times = doubling(side[0], side[1], least=4)
        wide = 2 * width
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for after in [*[width] * (times - 1), wide]:
            layers += [nn.Conv2d(width, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.num_features = wide * height * breadth
        self.head = Projection(self.num_features, num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), labels)
