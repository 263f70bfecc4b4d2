"""A dense network with the same weights for every channel, for images with channels of one kind, such as stacked digits.

G: one linear layer maps z to a code per channel, and the decoder maps each code to its channel: batch normalisation and
LeakyReLU 0.2, then `depth` times linear, batch normalisation and LeakyReLU 0.2, then linear and tanh. D: the reader, `depth`
hidden layers with LeakyReLU 0.2, maps each channel to features, then two hidden layers join all of them; no normalisation.
G learns each digit once, not once per channel, and the codes learn which digits occur together: all codes are functions of the
same z, so the channels need not be independent. Batch normalisation: Ioffe & Szegedy 2015, algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.model.layer.doubling import image_shape
from gan_lightning.step.types import Count, NumValues, Output, Shape


class Generator(nn.Module):
    """Decode a code per channel; 223 thousand parameters for stacked digits and latent_dim 96, 74 thousand for the codes."""

    def __init__(
        self, latent_dim: Count, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 256, depth: Count = 2
    ) -> None:
        super().__init__()
        channels, h, w = image_shape(sample_shape)
        self.num_classes = num_classes
        self.codes = nn.Sequential(
            nn.Linear(latent_dim + one_hot_size(num_classes), channels * width, bias=False), nn.Unflatten(1, (channels, width))
        )
        layers: list[nn.Module] = [nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
        for _ in range(depth):
            layers += [nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
        self.decoder = nn.Sequential(*layers, nn.Linear(width, h * w), nn.Unflatten(1, (h, w)))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        codes = self.codes(concat_class(z, condition, self.num_classes))
        return torch.tanh(self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 256, depth: Count = 2) -> None:
        super().__init__()
        channels, h, w = image_shape(sample_shape)
        layers: list[nn.Module] = []
        for inputs in [h * w, *[width] * (depth - 1)]:
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
        self.reader = nn.Sequential(*layers)
        self.together = nn.Sequential(
            *(nn.Linear(channels * width, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, width), nn.LeakyReLU(0.2))
        )
        self.num_features = width
        self.head = Projection(width, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.together(self.reader(x.flatten(2)).flatten(1)), condition)
