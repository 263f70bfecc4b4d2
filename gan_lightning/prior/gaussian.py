"""z ~ N(0, I), the usual prior (Goodfellow et al. 2014)."""

import torch
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class Gaussian(Prior):
    """Sample every coordinate from N(0, 1)."""

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, dim, device=device, generator=generator)

    def sample_truncated(self, n: int, dim: int, limit: float, generator: torch.Generator) -> Tensor:
        z = torch.empty(n, dim)
        return torch.nn.init.trunc_normal_(z, a=-limit, b=limit, generator=generator)

    def interpolate(self, start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
        return slerp(start, end, weight)
