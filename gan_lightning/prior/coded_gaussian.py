"""z = (code, n): a one-hot code of `num_categories`, `num_continuous` codes uniform in [−1, 1], and noise n ~ N(0, std² I).

InfoGAN's prior (Chen et al. 2016, section 4): `regularizer=info` makes G use the codes, each for something that D can read off.
With a small `std`, such as 0.1, latents of two categories are far apart compared with those of one (ClusterGAN: Mukherjee et
al. 2019, section 3), so that what differs most between samples is the code's.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

from gan_lightning.prior.base import Prior, slerp


class CodedGaussian(Prior):
    """Sample the first coordinates as codes, the rest from N(0, std²)."""

    def __init__(
        self,
        num_categories: Annotated[int, Field(ge=2)] = 10,
        num_continuous: Annotated[int, Field(ge=0)] = 0,
        std: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0,
    ) -> None:
        self.num_categories, self.num_continuous, self.std = num_categories, num_continuous, std
        self.min_dim = num_categories + num_continuous

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        category = torch.randint(self.num_categories, (n,), device=device, generator=generator)
        continuous = 2 * torch.rand(n, self.num_continuous, device=device, generator=generator) - 1
        noise = self.std * torch.randn(n, max(dim - self.min_dim, 0), device=device, generator=generator)
        return torch.cat([one_hot(category, self.num_categories).float(), continuous, noise], 1)[:, :dim]

    def interpolate(self, start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
        """Switch the category half-way, go straight along the continuous codes, and slerp the Gaussian coordinates."""
        k, codes = self.num_categories, self.min_dim
        category = torch.where(weight.unsqueeze(1) < 0.5, start[:, :k], end[:, :k])
        continuous = torch.lerp(start[:, k:codes], end[:, k:codes], weight.unsqueeze(1))
        noise = slerp(start[:, codes:], end[:, codes:], weight) if start.shape[1] > codes else start[:, codes:]
        return torch.cat([category, continuous, noise], 1)
