"""Self-attention: a weighted mean over all pixels is added to each pixel of the maps, so that distant parts can fit together.

    weights = softmax(query · key),    y = x + gate · output(weights · value),    query, key, value, output: 1×1 convolutions

Zhang et al. 2019, equations 1 to 3. As in BigGAN (Brock et al. 2019), queries and keys have C / 8 channels and values C / 2;
keys and values are pooled over 2×2 pixels. The gate starts at 0, so that training begins with the convolutions alone.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

AttentionSize = Annotated[int, Field(ge=0)]  # the largest shorter side of maps with attention, in pixels; 0: no attention


class SelfAttention(nn.Module):
    """Add to each pixel a weighted mean over the whole image."""

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
        """Return the maps with the weighted means added; the condition, an argument of the blocks beside it, is not used."""
        query, key, value = self.query(x).flatten(2), self.pool(self.key(x)).flatten(2), self.pool(self.value(x)).flatten(2)
        weights = (query.transpose(1, 2) @ key).softmax(2)  # (N, pixels, pooled pixels)
        mean = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gate * self.output(mean)


def attention_level(size: tuple[int, int], largest: int, times: int) -> int:
    """Return how often the image is halved to the maps with attention: the largest whose shorter side is at most `largest`.

    They are smaller than the image, which is halved `times` times in all; if all maps are too large, the smallest are taken.
    """
    return next((level for level in range(1, times) if min(size) >> level <= largest), times)
