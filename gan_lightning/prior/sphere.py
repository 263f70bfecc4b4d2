"""z uniform on the sphere of radius √dim: a Gaussian with its length made certain (Karras et al. 2018, appendix A.1)."""

import torch
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class Sphere(Prior):
    """A shell; its points have variance 1 in every coordinate."""

    def draw(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, dim, device=device, generator=generator)
        return z * (dim**0.5 / z.norm(dim=1, keepdim=True))

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        return slerp(start, end, share)
