"""z uniform on the sphere of radius √dim: a Gaussian normalised to its typical length (Karras et al. 2018, appendix A.1)."""

import torch
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class Sphere(Prior):
    """Sample from the sphere; every coordinate has variance 1."""

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, dim, device=device, generator=generator)
        return z * (dim**0.5 / z.norm(dim=1, keepdim=True))

    def interpolate(self, start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
        return slerp(start, end, weight)
