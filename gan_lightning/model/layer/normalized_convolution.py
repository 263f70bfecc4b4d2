"""A convolution with batch normalisation and LeakyReLU, of which the discriminators of few images are built."""

from __future__ import annotations

from torch import nn


def normalized_convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> list[nn.Module]:
    """Return the layers; they keep the maps' size, or halve it with a kernel of 4 and a stride of 2."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size, stride, (kernel_size - 1) // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
