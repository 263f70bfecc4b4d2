"""The residual block of R3GAN: an inverted bottleneck with a grouped convolution, without normalisation.

    x + W₃ φ₂(W₂ φ₁(W₁ x)),    W₁ 1×1 to `inner` maps, W₂ 3×3 in groups, W₃ 1×1 back;    φ(x) = LeakyReLU(x + bias)

Initialized as fix-up does, without which the variance would grow with each of the network's `blocks` residual branches: W₃
starts at 0, W₁ and W₂ are scaled by blocks^(−1/4). Huang et al. 2024, section 3; Zhang et al. 2019 (fix-up).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # He et al. 2015, section 2.2


class BiasedLeakyReLU(nn.Module):
    """Add a bias to each channel, and apply LeakyReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # (N, width, H, W) -> (N, width, H, W)
        return leaky_relu(x + self.bias, SLOPE)


def scaled_convolution(inputs: int, outputs: int, kernel_size: int, groups: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """Return a convolution without bias that keeps the maps' size; weights from N(0, gain² / fan_in)."""
    layer = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    return layer


class ResidualBottleneck(nn.Module):
    """Add to maps a branch that is 0 at the start; `blocks` is the number of such blocks in the network."""

    def __init__(self, width: int, inner: int, groups: int, blocks: int) -> None:
        super().__init__()
        gain = GAIN * blocks**-0.25
        self.branch = nn.Sequential(
            *(scaled_convolution(width, inner, 1, gain=gain), BiasedLeakyReLU(inner)),
            *(scaled_convolution(inner, inner, 3, groups, gain), BiasedLeakyReLU(inner)),
            scaled_convolution(inner, width, 1, gain=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:  # (N, width, H, W) -> (N, width, H, W)
        return x + self.branch(x)
