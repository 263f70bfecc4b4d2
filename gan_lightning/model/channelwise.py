"""One dense network for all channels: for images whose channels are of one kind, such as stacked digits.

G: one linear layer turns z into a code for each channel, then the same decoder draws every channel from its code: batch
normalisation and LeakyReLU 0.2, `depth` times linear and the same again, linear, tanh. D the other way: the same reader,
`depth` hidden layers with LeakyReLU 0.2, looks at every channel, then two hidden layers at all that it read; no normalisation.
G learns each digit once instead of once a channel, while which digits go together is left to the codes; that channels are
independent is not built in, all codes come from the same z. Batch normalisation: Ioffe & Szegedy 2015, algorithm 1.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class
from gan_lightning.model.layer.doubling import Shape, image_shape
from gan_lightning.step.types import Output

Count = Annotated[int, Field(ge=1)]
Classes = Annotated[int, Field(ge=0)]


class Generator(nn.Module):
    """223 thousand parameters for stacked digits and a latent_dim of 96, of which 74 thousand make the codes."""

    def __init__(
        self, latent_dim: Count, sample_shape: Shape, num_classes: Classes = 0, width: Count = 256, depth: Count = 2
    ) -> None:
        super().__init__()
        channels, height, breadth = image_shape(sample_shape)
        self.num_classes = num_classes
        self.codes = nn.Sequential(
            nn.Linear(latent_dim + num_classes, channels * width, bias=False), nn.Unflatten(1, (channels, width))
        )
        layers: list[nn.Module] = [nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
        for _ in range(depth):
            layers += [nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
        self.decoder = nn.Sequential(*layers, nn.Linear(width, height * breadth), nn.Unflatten(1, (height, breadth)))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        codes = self.codes(concat_class(z, labels, self.num_classes))
        return torch.tanh(self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]))


class Discriminator(nn.Module):
    """No sample's logit depends on another's."""

    def __init__(self, sample_shape: Shape, num_classes: Classes = 0, width: Count = 256, depth: Count = 2) -> None:
        super().__init__()
        channels, height, breadth = image_shape(sample_shape)
        layers: list[nn.Module] = []
        for inputs in [height * breadth, *[width] * (depth - 1)]:
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
        self.reader = nn.Sequential(*layers)
        self.together = nn.Sequential(
            *(nn.Linear(channels * width, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, width), nn.LeakyReLU(0.2))
        )
        self.num_features = width
        self.head = Projection(width, num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.together(self.reader(x.flatten(2)).flatten(1)), labels)
