"""SNGAN's residual networks for 32×32: the same number of maps in every block (Miyato et al. 2018, table 4).

G has 2 · `width` maps, 256 in the paper, and doubles 4×4 three times. D has `width` maps, 128 in the paper, halves 32×32 to
8×8, and ends with two blocks that keep the size. Other sizes: 28×28 is 7×7 doubled twice and is halved to 7×7; 64×64 is 4×4
doubled four times and is halved to 8×8. Blocks, conditions and initial weights are those of `sngan`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection
from gan_lightning.model.layer.conditional_batch_norm import one_hot
from gan_lightning.model.layer.doubling import MAX_CHANNELS, doubling, image_shape
from gan_lightning.model.layer.residual import DownBlock, FirstDownBlock, UpBlock
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.model.sngan import initialize
from gan_lightning.step.types import Count, NumClasses, Output, Shape


class Generator(nn.Module):
    """Draw images from z; 4,276,739 parameters for 3×32×32, latent_dim 128 and no classes."""

    def __init__(self, latent_dim: Count, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 128) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        self.num_classes = num_classes
        maps = 2 * width
        self.start = nn.Sequential(nn.Linear(latent_dim, maps * h * w), nn.Unflatten(1, (maps, h, w)))
        self.blocks = nn.ModuleList(UpBlock(maps, maps, num_classes) for _ in range(times))
        self.end = nn.Sequential(nn.BatchNorm2d(maps), nn.ReLU(), nn.Conv2d(maps, channels, 3, padding=1))
        initialize(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        chosen = one_hot(z, condition, self.num_classes)
        x = self.start(z)
        for block in self.blocks:
            x = block(x, chosen)
        return torch.tanh(self.end(x))


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 1,053,825 parameters for 3×32×32 and no classes.

    Without `spectral_norm` it is the network that the paper compares with.
    """

    def __init__(
        self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 128, spectral_norm: bool = True
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        times = doubling(*size, least=7).times
        halving = [DownBlock(width, width, width) for _ in range(times - 1)]
        keeping = [DownBlock(width, width, width, halve=False) for _ in range(2)]
        self.blocks = nn.Sequential(FirstDownBlock(channels, width), *halving, *keeping)
        self.num_features = width
        self.head = Projection(width, num_classes)
        initialize(self)
        if spectral_norm:
            normalize_spectra(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.blocks(x).relu().sum((2, 3)), condition)
