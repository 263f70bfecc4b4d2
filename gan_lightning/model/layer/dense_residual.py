"""The residual block of two fully connected layers: x + 0.3 (W₂ φ(W₁ φ(x) + b₁) + b₂), φ = LeakyReLU 0.2.

He et al. 2016b, with the activations in front; the factor keeps the variance of the sum near that of x.
"""

from torch import Tensor, nn

BRANCH = 0.3


class DenseBlock(nn.Module):
    """Add a correction to vectors of `width` values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:  # (N, width) -> (N, width)
        return x + BRANCH * self.branch(x)
