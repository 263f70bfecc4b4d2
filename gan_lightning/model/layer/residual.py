"""Residual blocks that double or halve maps, of SNGAN, SAGAN and BigGAN (Miyato et al. 2018 and Brock et al. 2019, appendix B).

G's block: batch normalisation, ReLU, ×2, 3×3 convolution, batch normalisation, ReLU, 3×3 convolution. D's block: ReLU, 3×3
convolution, ReLU, 3×3 convolution, mean over 2×2. The shortcut has a 1×1 convolution where size or number of maps changes.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm


class UpBlock(nn.Module):
    """Double the size of the maps; batch normalisation depends on a condition of `condition_dim` values, if that is not 0."""

    def __init__(self, inputs: int, outputs: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.norm1, self.norm2 = ConditionalBatchNorm(inputs, condition_dim), ConditionalBatchNorm(outputs, condition_dim)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (N, inputs, H, W), (N, D) -> (N, outputs, 2 H, 2 W)
        h = self.conv1(nn.functional.interpolate(self.norm1(x, condition).relu(), scale_factor=2))
        h = self.conv2(self.norm2(h, condition).relu())
        return h + nn.functional.interpolate(self.shortcut(x), scale_factor=2)  # 1×1 is the same before ×2, and cheaper


class DownBlock(nn.Module):
    """Halve the size of the maps, or keep it if `halve` is false; `hidden` is the number of maps between the convolutions."""

    def __init__(self, inputs: int, outputs: int, hidden: int, halve: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, outputs, 3, padding=1)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, H, W) -> (N, outputs, H / 2, W / 2) or (N, outputs, H, W)
        h: Tensor = self.conv2(self.conv1(x.relu()).relu())
        shortcut: Tensor = self.shortcut(self.pool(x))
        return self.pool(h) + shortcut


class FirstDownBlock(DownBlock):
    """Halve the size of the image itself: without the first ReLU, which would remove all values below 0."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, H, W) -> (N, outputs, H / 2, W / 2)
        h: Tensor = self.conv2(self.conv1(x).relu())
        shortcut: Tensor = self.shortcut(self.pool(x))
        return self.pool(h) + shortcut


class Widths(NamedTuple):
    """Hold the numbers of feature maps: of each doubling's outputs, from the image inwards, and of the smallest maps."""

    blocks: list[int]
    smallest: int

    @property
    def outwards(self) -> list[int]:
        """Return the generator's numbers, from the smallest maps to the image."""
        return [self.smallest, *reversed(self.blocks)]

    @property
    def inwards(self) -> list[int]:
        """Return the discriminator's numbers, from the first block to the last."""
        return [*self.blocks, self.smallest]


def widths(width: int, times: int) -> Widths:
    """Return `width` maps beside the image, doubled at each of `times` halvings up to 16 · `width`."""
    return Widths([width * min(2**i, 16) for i in range(times)], width * min(2**times, 16))
