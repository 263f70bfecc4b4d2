"""Resampling of feature maps by 2 with a binomial low-pass filter, which avoids aliasing.

    up: zeros between the values, then 4 · kernel;    down: kernel, then every second value;    kernel = taps ⊗ taps / (Σ taps)²

Taps [1, 3, 3, 1] make the first one bilinear interpolation between the centres of the pixels (Karras et al. 2020, figure 7),
[1, 2, 1] interpolation between their corners (Huang et al. 2024). Outside of the maps lie zeros. All three are depthwise
convolutions, since those are deterministic on a GPU and can be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

BILINEAR = (1, 3, 3, 1)


class Filter(nn.Module):
    """Hold the kernel of a binomial filter of three or four taps; it sums to `gain`."""

    kernel: Tensor  # (1, 1, taps, taps)

    def __init__(self, taps: Sequence[int] = BILINEAR, gain: float = 1.0) -> None:
        super().__init__()
        row = torch.tensor(taps, dtype=torch.float32) / sum(taps)
        self.register_buffer("kernel", gain * torch.outer(row, row)[None, None], persistent=False)

    def depthwise(self, x: Tensor) -> Tensor:  # (N, C, …) -> (C, 1, taps, taps)
        """Return the kernel once for each channel of `x`, in its data type."""
        return self.kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)


class Blur(Filter):
    """Filter maps that are padded by `padding` zeros on each side."""

    def __init__(self, padding: int, taps: Sequence[int] = BILINEAR, gain: float = 1.0) -> None:
        super().__init__(taps, gain)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H + 2 · padding − taps + 1, W + 2 · padding − taps + 1)
        return conv2d(x, self.depthwise(x), padding=self.padding, groups=x.shape[1])


class Upsample(Filter):
    """Double the size of maps."""

    def __init__(self, taps: Sequence[int] = BILINEAR) -> None:
        super().__init__(taps, gain=4)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, 2H, 2W)
        odd = self.kernel.shape[2] % 2
        return conv_transpose2d(x, self.depthwise(x), stride=2, padding=1, output_padding=odd, groups=x.shape[1])


class Downsample(Filter):
    """Halve the size of maps with even sides."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, 2H, 2W) -> (N, C, H, W)
        return conv2d(x, self.depthwise(x), stride=2, padding=1, groups=x.shape[1])
