"""z = (b, n): fair binary coordinates b ∈ {−1, 1}^num_binary beside Gaussian noise n ~ N(0, I).

Its support has 2^num_binary components. A continuous G maps a connected support to connected samples, so on disconnected
data it must draw samples between the modes (Khayatkhoei et al. 2018, section 2); a component of this prior can map into one
mode. Which mode each component maps to is learned. A mixture as prior: DeLiGAN, Gurumurthy et al. 2017.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class BinaryGaussian(Prior):
    """Sample the first `num_binary` coordinates from {−1, 1}, the rest from N(0, 1); each has variance 1."""

    def __init__(self, num_binary: Annotated[int, Field(ge=1)] = 8) -> None:
        self.num_binary = num_binary

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        k = min(self.num_binary, dim)
        binary = torch.randint(2, (n, k), device=device, generator=generator) * 2.0 - 1
        return torch.cat([binary, torch.randn(n, dim - k, device=device, generator=generator)], 1)

    def interpolate(self, start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
        """Switch the binary coordinates half-way, as no value lies between −1 and 1; slerp the Gaussian ones."""
        k = self.num_binary
        binary = torch.where(weight.unsqueeze(1) < 0.5, start[:, :k], end[:, :k])
        if start.shape[1] <= k:
            return binary
        return torch.cat([binary, slerp(start[:, k:], end[:, k:], weight)], 1)
