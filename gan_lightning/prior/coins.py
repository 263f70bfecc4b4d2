"""z = (c, n): fair coins c ∈ {−1, 1}^bits beside Gaussian noise n ~ N(0, I). A support in 2^bits pieces.

A continuous G turns a connected z into connected samples, so between the modes of disconnected data it must draw bridges
(Khayatkhoei et al. 2018, section 2). From pieces it need not: a piece may lie wholly in one mode. The coins only say that
there are pieces; which mode each of them goes to is learned. A mixture in the prior: DeLiGAN, Gurumurthy et al. 2017.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.prior.base import Prior, slerp


class Coins(Prior):
    """The first `bits` coordinates are coins (all, where there are no more), the rest Gaussian; each has variance 1."""

    def __init__(self, bits: Annotated[int, Field(ge=1)] = 8) -> None:
        self.bits = bits

    def draw(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        bits = min(self.bits, dim)
        coins = torch.randint(2, (n, bits), device=device, generator=generator) * 2.0 - 1
        return torch.cat([coins, torch.randn(n, dim - bits, device=device, generator=generator)], 1)

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        """The coins turn over half-way, as nothing lies between heads and tails; the noise goes along the great circle."""
        coins = torch.where(share.unsqueeze(1) < 0.5, start[:, : self.bits], end[:, : self.bits])
        if start.shape[1] <= self.bits:
            return coins
        return torch.cat([coins, slerp(start[:, self.bits :], end[:, self.bits :], share)], 1)
