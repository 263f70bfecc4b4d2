"""Networks of residual blocks of two fully connected layers: x + 0.3 (W₂ φ(W₁ φ(x) + b₁) + b₂), φ = LeakyReLU 0.2.

He et al. 2016b, with the activations in front; the factor keeps the variance of the sum near that of x.
"""

import math

from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection
from gan_lightning.step.types import Count, Output, Shape

BRANCH = 0.3


class DenseBlock(nn.Module):
    """Add a correction to vectors of `width` values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:  # (N, width) -> (N, width)
        return x + BRANCH * self.branch(x)


def dense_generator(latent_dim: int, sample_shape: Shape, width: int, depth: int) -> nn.Sequential:
    """Return the layers from z (N, latent_dim) to logits (N, *sample_shape), with `depth` blocks."""
    return nn.Sequential(
        nn.Linear(latent_dim, width),
        *(DenseBlock(width) for _ in range(depth)),
        *(nn.LeakyReLU(0.2), nn.Linear(width, math.prod(sample_shape)), nn.Unflatten(1, tuple(sample_shape))),
    )


class DenseDiscriminator(nn.Module):
    """Score samples of any shape, each independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, width: Count = 256, depth: Count = 2) -> None:
        super().__init__()
        self.num_features = width
        self.layers = nn.Sequential(
            *(nn.Flatten(), nn.Linear(math.prod(sample_shape), width)),
            *(DenseBlock(width) for _ in range(depth)),
            nn.LeakyReLU(0.2),
        )
        self.head = Projection(width, 0)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, *sample_shape) -> (N,), (N, width)
        return self.head(self.layers(x), None)
