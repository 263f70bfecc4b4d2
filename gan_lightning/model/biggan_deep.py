"""BigGAN-deep: blocks of four convolutions, two per size, and fewer parameters than BigGAN (Brock et al. 2019, appendix B).

The batch normalisation of every block depends on all of z and on the embedding of the class. D begins with a 3×3 convolution.
The rest is as in `biggan`: attention, spectral normalisation, initial weights, numbers of maps, and possible sizes.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.model.biggan import initialize, widths
from gan_lightning.model.layer.attention import AttentionSize, SelfAttention, attention_level
from gan_lightning.model.layer.bottleneck import DownBottleneck, UpBottleneck
from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.conditional_batch_norm import one_hot
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubling, image_shape
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.step.types import Count, NumClasses, Output, Shape


class Generator(nn.Module):
    """Draw images from z; 50,244,484 parameters for 3×128×128, latent_dim 128, 1000 classes and `shared_dim` 128."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 128,
        shared_dim: Count = 128,
        attention_size: AttentionSize = 64,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        self.num_classes, maps = num_classes, widths(width, times)
        self.shared = nn.Linear(num_classes, shared_dim, bias=False) if num_classes else None
        inputs = latent_dim + (shared_dim if num_classes else 0)
        self.start = nn.Sequential(nn.Linear(inputs, maps.smallest * h * w), nn.Unflatten(1, (maps.smallest, h, w)))
        self.blocks = nn.ModuleList()
        for a, b in itertools.pairwise(maps.outwards):
            self.blocks.extend([UpBottleneck(a, a, inputs, scale=1), UpBottleneck(a, b, inputs, scale=2)])
        if attention_size:
            level = attention_level(self.doubling.size, attention_size, times)
            self.blocks.insert(2 * (times - level), SelfAttention(maps.inwards[level]))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1))
        initialize(self)
        for network in (self.start, self.blocks, self.end):
            normalize_spectra(network)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        chosen = one_hot(z, condition, self.num_classes)
        joined = torch.cat([z, chosen if self.shared is None else self.shared(chosen)], 1)
        x = self.start(joined)
        for block in self.blocks:
            x = block(x, joined)
        return torch.tanh(self.end(x))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 34,590,210 parameters for 3×128×128 and 1000 classes."""

    def __init__(
        self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 128, attention_size: AttentionSize = 64
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        start = doubling(*size, least=4)
        maps = widths(width, start.times).inwards
        self.blocks = nn.Sequential(nn.Conv2d(channels, maps[0], 3, padding=1))
        for a, b in itertools.pairwise(maps):
            self.blocks.extend([DownBottleneck(a, b, halve=True), DownBottleneck(b, b, halve=False)])
        if attention_size:
            level = attention_level(start.size, attention_size, start.times)
            self.blocks.insert(1 + 2 * level, SelfAttention(maps[level]))
        self.num_features = maps[-1]
        self.head = Projection(self.num_features, num_classes)
        initialize(self)
        normalize_spectra(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.blocks(x).relu().sum((2, 3)), condition)
