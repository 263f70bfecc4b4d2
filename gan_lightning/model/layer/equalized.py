"""Linear and convolutional layers with equalized learning rates: the stored weights have unit variance, and are scaled in use.

    y = x · (weight · lr_multiplier / √fan_in)ᵀ + bias · lr_multiplier

Adam's steps do not depend on the size of a gradient, so that layers whose weights differ in size would learn at different
relative speeds; stored at one size, all learn equally fast. Karras et al. 2018, section 4.1; the multiplier of the learning
rate, 0.01 in StyleGAN's mapping network: Karras et al. 2019, appendix C.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import conv2d, linear


class EqualizedLinear(nn.Linear):
    """Map features linearly; the bias starts at `bias_start`, None: there is none."""

    def __init__(self, inputs: int, outputs: int, bias_start: float | None = 0.0, lr_multiplier: float = 1.0) -> None:
        self.lr_multiplier, self.bias_start = lr_multiplier, bias_start
        super().__init__(inputs, outputs, bias=bias_start is not None)

    def reset_parameters(self) -> None:
        """Draw weights of variance 1 after scaling by the multiplier, and set the bias to `bias_start`."""
        nn.init.normal_(self.weight, std=1 / self.lr_multiplier)
        if self.bias_start is not None:
            nn.init.constant_(self.bias, self.bias_start / self.lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs) -> (N, outputs)
        scale = self.lr_multiplier / math.sqrt(self.in_features)
        return linear(x, self.weight * scale, None if self.bias is None else self.bias * self.lr_multiplier)


class EqualizedConv2d(nn.Conv2d):
    """Convolve maps with a square kernel; the padding keeps their size, unless one is given."""

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, stride: int = 1, padding: int | None = None, bias: bool = True
    ) -> None:
        padding = kernel_size // 2 if padding is None else padding
        super().__init__(inputs, outputs, kernel_size, stride, padding, bias=bias)

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 1), and set the bias to 0."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, H, W) -> (N, outputs, H', W')
        scale = 1 / math.sqrt(self.weight[0].numel())
        return conv2d(x, self.weight * scale, self.bias, self.stride, self.padding)
