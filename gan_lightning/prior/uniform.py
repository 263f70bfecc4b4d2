"""z uniform in [−1, 1]^dim, as in the DCGAN paper (Radford et al. 2016, section 3)."""

import torch
from torch import Tensor

from gan_lightning.prior.base import Prior


class Uniform(Prior):
    """Sample every coordinate from [−1, 1]."""

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(n, dim, device=device, generator=generator) * 2 - 1
