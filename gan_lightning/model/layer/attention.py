"""Self-attention: each pixel of the maps becomes a weighted mean over all pixels, added to what a convolution sees.

    weights = softmax(query · key),    y = x + gate · output(weights · value),    all of them 1×1 convolutions of x

Zhang et al. 2019, equations 1 to 3. Key and value are pooled over 2×2 pixels, and have C / 8 and C / 2 channels, as in BigGAN
(Brock et al. 2019). The gate starts at 0, so a network first learns from what is near.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Let each pixel read from the whole image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        """Return the maps with what was read added; a condition, which the blocks beside this one take, is ignored."""
        query, key, value = self.query(x).flatten(2), self.pool(self.key(x)).flatten(2), self.pool(self.value(x)).flatten(2)
        weights = (query.transpose(1, 2) @ key).softmax(2)  # (N, pixels, pooled pixels)
        read = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gate * self.output(read)


def attention_level(size: tuple[int, int], largest: int, times: int) -> int:
    """Return how often the image is halved to the maps that attend: the largest whose shorter side is at most `largest`.

    These maps are smaller than the image; `times` is how often the network halves it, the answer if all maps are too large.
    """
    return next((level for level in range(1, times) if min(size) >> level <= largest), times)
