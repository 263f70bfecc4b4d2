"""LeakyReLU with slope 0.2, times √2: after weights of variance 1 / fan_in it nearly keeps the second moment of the input."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import leaky_relu


class ScaledLeakyReLU(nn.Module):
    """Return √2 · LeakyReLU(x) (He et al. 2015, section 2.2, with the slope left out)."""

    def forward(self, x: Tensor) -> Tensor:  # any shape -> the same shape (*x.shape)
        return leaky_relu(x, 0.2) * math.sqrt(2)
