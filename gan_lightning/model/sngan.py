"""SNGAN: residual networks for images of 48×48 and more; D is spectrally normalised (Miyato et al. 2018, tables 5 and 6).

G: linear to the smallest maps, a residual block per doubling, batch normalisation, ReLU, 3×3 convolution, tanh. D: a residual
block per halving and one more, ReLU, sum over the pixels, linear. Both have `width` maps beside the image and twice as many at
each halving, up to 16 · `width`. Sizes: 48×48 and 128×128 as published; any even size is possible, 64×64 is the network for
128×128 with a block less in each player, 28×28 is 7×7 doubled twice. `sngan_32` is the paper's network for 32×32.

Conditional on classes as in Miyato & Koyama 2018: conditional batch normalisation in G, projection in D. Weights start
as Glorot & Bengio 2010 draw them, those of the residual convolutions √2 times as large, because a ReLU comes before them.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm, one_hot
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubling, image_shape
from gan_lightning.model.layer.residual import DownBlock, FirstDownBlock, UpBlock, widths
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.step.types import Count, NumClasses, Output, Shape


def initialize(network: nn.Module) -> None:
    """Draw weights uniformly with Glorot's variance, twice that for the convolutions of residual blocks; set biases to 0."""
    residual = {conv for m in network.modules() if isinstance(m, UpBlock | DownBlock) for conv in (m.conv1, m.conv2)}
    skipped = {m for norm in network.modules() if isinstance(norm, ConditionalBatchNorm) for m in norm.modules()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding) and module not in skipped:
            nn.init.xavier_uniform_(module.weight, math.sqrt(2) if module in residual else 1.0)
            if isinstance(getattr(module, "bias", None), Tensor):
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class Generator(nn.Module):
    """Draw images from z; 32,150,787 parameters for 3×128×128, latent_dim 128 and no classes."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 64) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        self.num_classes = num_classes
        maps = widths(width, times).outwards
        self.start = nn.Sequential(nn.Linear(latent_dim, maps[0] * h * w), nn.Unflatten(1, (maps[0], h, w)))
        self.blocks = nn.ModuleList(UpBlock(a, b, num_classes) for a, b in itertools.pairwise(maps))
        self.end = nn.Sequential(nn.BatchNorm2d(maps[-1]), nn.ReLU(), nn.Conv2d(maps[-1], channels, 3, padding=1))
        initialize(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        chosen = one_hot(z, condition, self.num_classes)
        x = self.start(z)
        for block in self.blocks:
            x = block(x, chosen)
        return torch.tanh(self.end(x))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 29,017,857 parameters for 3×128×128 and no classes.

    Without `spectral_norm` it is the network that the paper compares with.
    """

    def __init__(self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 64, spectral_norm: bool = True) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        times = doubling(*size).times
        maps = widths(width, times).inwards
        blocks = [DownBlock(a, b, a, halve=i < times) for i, (a, b) in enumerate(itertools.pairwise(maps), 1)]
        self.blocks = nn.Sequential(FirstDownBlock(channels, maps[0]), *blocks)
        self.num_features = maps[-1]
        self.head = Projection(self.num_features, num_classes)
        initialize(self)
        if spectral_norm:
            normalize_spectra(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.blocks(x).relu().sum((2, 3)), condition)
