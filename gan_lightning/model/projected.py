"""The discriminator of Projected GAN: small discriminators on a frozen classifier's features at several scales.

    image → frozen features at 1/4 … 1/32 of its size → frozen random mixing → a discriminator for each scale → K logits

Features that were learned from many images make training fast and work with few images. The random mixing across channels and
scales (`layer.random_mixing`) spreads them, since D alone would attend to a few. The coarser the scale, the fewer halvings has
its discriminator, so that all give logits of the same size, 4×4 at 256×256, and count alike. Sauer et al. 2021, section 3.2.

The generator is `fastgan`'s, as there. Without a file of weights the features are random (`layer.frozen_features`).
Unconditional, as the paper.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad

from gan_lightning.model.layer.doubling import image_shape
from gan_lightning.model.layer.enlarging import Enlarging
from gan_lightning.model.layer.frozen_features import STRIDE, FrozenFeatures
from gan_lightning.model.layer.normalized_convolution import normalized_convolution
from gan_lightning.model.layer.random_mixing import RandomMixing
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.step.types import Count, Output, PathText, Shape

COLOURS = 3  # channels that the classifier reads
MOST = 16  # times `width`: maps of a discriminator

Side = Annotated[int, Field(ge=2 * STRIDE)]  # smaller ones leave no maps for the last convolutions


class ScaleDiscriminator(nn.Module):
    """Score parts of the maps of one scale by `halvings` strided convolutions and one more."""

    def __init__(self, inputs: int, width: int, halvings: int) -> None:
        super().__init__()
        first = width << (len(FrozenFeatures.widths) + 2 - halvings)  # the coarser the scale, the more maps
        maps = [inputs, *[min(first << i, MOST * width) for i in range(halvings)]]
        layers: list[nn.Module] = []
        for i in range(halvings):
            layers += normalized_convolution(maps[i], maps[i + 1], 4, stride=2)
        self.layers = nn.Sequential(*layers)
        self.num_features = maps[-1]
        self.head = nn.Conv2d(maps[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Output:  # (N, inputs, H, W) -> (N, K), (N, num_features)
        maps = self.layers(x)
        return Output(self.head(maps).flatten(1), maps.mean((2, 3)))


class Discriminator(nn.Module):
    """Score samples by their projected features; batch statistics: real and fake samples go in separate batches.

    `weights` is a file of torchvision's resnet18, null: random features. Images are enlarged so that both sides are multiples
    of 32, at least `side`, 224 in the paper. One channel is repeated; of more than three each three are read as an image.
    """

    def __init__(self, sample_shape: Shape, width: Count = 32, side: Side = 224, weights: PathText | None = None) -> None:
        super().__init__()
        channels, h, w = image_shape(sample_shape)
        self.images = -(-channels // COLOURS)
        target = -(-max(h, side) // STRIDE) * STRIDE, -(-max(w, side) // STRIDE) * STRIDE
        self.enlarging = Enlarging((h, w), target) if target != (h, w) else nn.Identity()
        self.frozen_features = FrozenFeatures(weights)
        self.frozen_mixing = RandomMixing([self.images * inputs for inputs in FrozenFeatures.widths])
        scales = len(FrozenFeatures.widths)
        self.discriminators = nn.ModuleList(
            ScaleDiscriminator(inputs, width, scales - i) for i, inputs in enumerate(self.frozen_mixing.widths)
        )
        normalize_spectra(self.discriminators)
        self.num_features = scales * MOST * width

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W) -> (N, K), (N, F)
        maps = self.frozen_features(self.enlarging(self.coloured(x)))
        joined = [m.reshape(len(x), -1, *m.shape[2:]) for m in maps]  # maps of a sample's images, one after the other
        outputs = [d(m) for d, m in zip(self.discriminators, self.frozen_mixing(joined), strict=True)]
        return Output(torch.cat([o.logits for o in outputs], 1), torch.cat([o.features for o in outputs], 1))

    def coloured(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N · images, 3, H, W)
        """Return images of three channels: one is repeated, and missing ones of the last image are black."""
        if x.shape[1] == 1:
            return x.expand(-1, COLOURS, -1, -1)
        missing = self.images * COLOURS - x.shape[1]
        return pad(x, (0, 0, 0, 0, 0, missing), value=-1.0).reshape(-1, COLOURS, *x.shape[2:])
