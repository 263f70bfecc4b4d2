"""Skip-layer excitation: small maps decide how much of each channel of much larger ones passes.

    y = sigmoid(W₂ LeakyReLU(W₁ pooled(small))) · large

Gradients of the large maps reach the small ones without the layers between; unlike in a residual block the sizes may differ,
since only one number per channel is passed. Liu et al. 2021, section 3.1, eq. 1.
"""

from __future__ import annotations

from torch import Tensor, nn


class SkipLayerExcitation(nn.Module):
    """Weigh the channels of large maps; `pooling` is the factor from the small maps to `size`, 4×4 in the paper."""

    def __init__(self, small: int, large: int, size: tuple[int, int], pooling: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            *(nn.AvgPool2d(pooling), nn.Conv2d(small, large, size, bias=False), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(large, large, 1, bias=False), nn.Sigmoid()),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:  # (N, small, h, w), (N, large, H, W) -> (N, large, H, W)
        return self.weights(small) * large
