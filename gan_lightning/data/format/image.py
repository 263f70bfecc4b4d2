"""Images (C, H, W) in [-1, 1]: a grid, and a PNG file each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import make_grid

from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.picture import encode_image

MIN_SIDE = 48  # pixels; smaller images are enlarged


class Images(SampleFormat):
    """Arrange images in a grid."""

    suffix: ClassVar[str] = ".png"
    interpolates: ClassVar[bool] = True

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        return render_grid(samples.detach().float().cpu(), columns)

    def encode_sample(self, sample: Tensor, software: str) -> bytes:
        return encode_image(to_array(sample.detach().float().cpu()), ".png", software)


def render_grid(images: Tensor, columns: int) -> np.ndarray:  # (N, C, H, W) -> (height, width, 3) uint8
    """Arrange the images in rows of `columns`; small images are enlarged by an integer factor."""
    factor = max(1, -(-MIN_SIDE // min(images.shape[2:])))
    enlarged = to_uint8(to_rgb(images)).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return make_grid(enlarged, nrow=columns, padding=2, pad_value=32).permute(1, 2, 0).numpy()


def to_array(image: Tensor) -> np.ndarray:  # (C, H, W) in [-1, 1] -> (H, W) or (H, W, C) uint8
    """Convert one image with all its channels (grey, RGB or RGBA); another number of channels becomes RGB."""
    if image.shape[0] not in (1, 3, 4):
        image = to_rgb(image[None])[0]
    return to_uint8(image).permute(1, 2, 0).squeeze(2).numpy()


def to_uint8(images: Tensor) -> Tensor:  # [-1, 1] (…) -> 0 … 255 (…)
    """Convert to bytes: clipped to [-1, 1], scaled and rounded."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_rgb(images: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 3, H, W)
    """Convert to three channels: one is repeated, a third of -1 is added to two, and those after the third are dropped."""
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 2:
        return torch.cat([images, torch.full_like(images[:, :1], -1)], 1)
    return images[:, :3]
