"""z ~ N(0, I): the noise that G turns into samples."""

import torch
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class Gaussian(Prior):
    """The default."""

    def draw(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, dim, device=device, generator=generator)

    def truncated(self, n: int, dim: int, limit: float, generator: torch.Generator) -> Tensor:
        z = torch.empty(n, dim)
        return torch.nn.init.trunc_normal_(z, a=-limit, b=limit, generator=generator)

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        return slerp(start, end, share)
