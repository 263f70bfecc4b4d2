"""BigGAN: residual networks whose batch normalisation depends on a part of z and on the class (Brock et al. 2019, appendix B).

z is split into one part per block and one for the smallest maps. The scale and shift of each batch normalisation are linear in
the block's part of z and in an embedding of the class that all blocks share. Self-attention; spectral normalisation in both
players, of all weights but the shared embedding; orthogonal initial weights. D as in `sngan`, but with as many maps between the
convolutions of a block as after them.

Sizes: the paper has 128, 256 and 512 pixels a side. Smaller sizes are the network for 128 with fewer blocks (28×28 is 7×7
doubled twice), 1024 is the network for 512 with another block of `width` maps. Attention is on the largest maps whose shorter
side is at most `attention_size`: 64×64 in the paper; 0: nowhere.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.attention import AttentionSize, SelfAttention, attention_level
from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.conditional_batch_norm import one_hot
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubling, image_shape
from gan_lightning.model.layer.residual import DownBlock, FirstDownBlock, UpBlock, Widths
from gan_lightning.model.layer.spectral_norm import WEIGHTED, normalize_spectra
from gan_lightning.step.types import Count, NumClasses, Output, Shape


def widths(width: int, times: int) -> Widths:
    """Return the numbers of maps for `times` doublings: 1, 2, 4, 8, 16 times `width`, from 256 pixels on 1, 2, 4, 8, 8, 16."""
    multiples = [2**i for i in range(times)] if times <= 5 else [1] * (times - 6) + [1, 2, 4, 8, 8, 16]
    return Widths([width * multiple for multiple in multiples], width * min(2**times, 16))


def initialize(network: nn.Module) -> None:
    """Draw weights as orthogonal matrices (Saxe et al. 2014), and set biases to 0."""
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            nn.init.orthogonal_(module.weight)
            if isinstance(getattr(module, "bias", None), Tensor):
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class Generator(nn.Module):
    """Draw images from z; 70,433,988 parameters for 3×128×128, latent_dim 120, 1000 classes and `shared_dim` 128.

    Raises ValueError if z has fewer values than parts.
    """

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 96,
        shared_dim: Count = 128,
        attention_size: AttentionSize = 64,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        if latent_dim <= times:
            parts = f"{times + 1} parts, one for the smallest maps and one per block"
            raise ValueError(f"latent_dim {latent_dim} can't be split into {parts}; allowed: {times + 1} or more")
        self.num_classes, maps = num_classes, widths(width, times)
        first, *later = [
            latent_dim // (times + 1) + (i < latent_dim % (times + 1)) for i in range(times + 1)
        ]  # as tensor_split
        self.shared = nn.Linear(num_classes, shared_dim, bias=False) if num_classes else None
        self.start = nn.Sequential(nn.Linear(first, maps.smallest * h * w), nn.Unflatten(1, (maps.smallest, h, w)))
        shared = shared_dim if num_classes else 0
        self.blocks = nn.ModuleList(
            UpBlock(a, b, shared + part) for (a, b), part in zip(itertools.pairwise(maps.outwards), later, strict=True)
        )
        level = attention_level(self.doubling.size, attention_size, times)
        self.attention_at = times - level
        self.attention = SelfAttention(maps.inwards[level]) if attention_size else nn.Identity()
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1))
        initialize(self)
        for network in (self.start, self.blocks, self.attention, self.end):
            normalize_spectra(network)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        chosen = one_hot(z, condition, self.num_classes)
        first, *parts = z.tensor_split(len(self.blocks) + 1, dim=1)
        shared = chosen if self.shared is None else self.shared(chosen)
        x = self.start(first)
        for i, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            x = self.attention(x) if i == self.attention_at else x
            x = block(x, torch.cat([shared, part], 1))
        return torch.tanh(self.end(x))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 87,982,370 parameters for 3×128×128 and 1000 classes."""

    def __init__(
        self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 96, attention_size: AttentionSize = 64
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        start = doubling(*size, least=4)
        maps = widths(width, start.times).inwards
        blocks = [DownBlock(a, b, b, halve=i < start.times) for i, (a, b) in enumerate(itertools.pairwise(maps), 1)]
        self.blocks = nn.Sequential(FirstDownBlock(channels, maps[0]), *blocks)
        if attention_size:
            level = attention_level(start.size, attention_size, start.times)
            self.blocks.insert(level, SelfAttention(maps[level - 1]))
        self.num_features = maps[-1]
        self.head = Projection(self.num_features, num_classes)
        initialize(self)
        normalize_spectra(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.blocks(x).relu().sum((2, 3)), condition)
