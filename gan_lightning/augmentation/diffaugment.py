"""DiffAugment: colour, translation and cutout of what D receives, real and fake, in both players' updates.

Each is differentiable, so that G learns through it, and is drawn anew for each sample. Zhao et al. 2020, section 3, with its
ranges. Images of any number of channels; with one channel saturation changes nothing.

    color        brightness + U(−0.5, 0.5), saturation · U(0, 2) around each pixel's mean of the channels, contrast
                 · U(0.5, 1.5) around the image's mean
    translation  by a whole number of pixels, up to an eighth of the size, zeros outside
    cutout       a square of half the size at a random place is set to zero
    mirror       half of the images are flipped from left to right (not one of the paper's)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

from gan_lightning.augmentation.base import Augmentation

Transform = Literal["color", "translation", "cutout", "mirror"]


class DiffAugment(Augmentation):
    """Apply the transforms of `policy` in its order to images (N, C, H, W)."""

    def __init__(
        self, policy: Annotated[tuple[Transform, ...], Field(min_length=1)] = ("color", "translation", "cutout")
    ) -> None:
        super().__init__()
        self.policy = policy

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return None if len(sample_shape) == 3 else f"changes images (C, H, W), and samples have shape {list(sample_shape)}"

    def forward(self, x: Tensor) -> Tensor:
        for name in self.policy:
            x = TRANSFORMS[name](x)
        return x


def uniform(x: Tensor, low: float, high: float) -> Tensor:  # -> (N, 1, 1, 1)
    """Return one number per image, uniform in [low, high)."""
    return torch.empty(len(x), 1, 1, 1, device=x.device, dtype=x.dtype).uniform_(low, high)


def color(x: Tensor) -> Tensor:  # (N, C, H, W)
    """Change brightness, then saturation, then contrast."""
    x = x + uniform(x, -0.5, 0.5)
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, uniform(x, 0.0, 2.0))
    mean = x.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, uniform(x, 0.5, 1.5))


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:  # (N, C, H, W)
    """Shift each image by up to `ratio` of its height and width; pixels from outside are 0."""
    rows, columns = (_shifted(x, size, int(size * ratio + 0.5)) for size in x.shape[2:])
    image = torch.arange(len(x), device=x.device)[:, None, None]
    padded = pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (N, H + 2, W + 2, C)
    return padded[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _shifted(x: Tensor, size: int, most: int) -> Tensor:  # -> (N, size), into an axis with one zero at each end
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    return (torch.arange(1, size + 1, device=x.device) + shift).clamp(0, size + 1)


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:  # (N, C, H, W)
    """Set a rectangle of `ratio` of each image's height and width to 0; its centre is any pixel, so part may lie outside."""
    rows, columns = (_is_cut(x, size, int(size * ratio + 0.5)) for size in x.shape[2:])
    cut = rows[:, None, :, None] & columns[:, None, None, :]
    return x.masked_fill(cut, 0.0)


def _is_cut(x: Tensor, size: int, length: int) -> Tensor:  # -> (N, size)
    start = torch.randint(size + (1 - length % 2), (len(x), 1), device=x.device) - length // 2
    position = torch.arange(size, device=x.device)
    return (position >= start) & (position < start + length)


def mirror(x: Tensor) -> Tensor:  # (N, C, H, W)
    """Flip half of the images from left to right."""
    return torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)


TRANSFORMS = {"color": color, "translation": translation, "cutout": cutout, "mirror": mirror}
