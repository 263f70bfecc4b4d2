"""The base of all priors: the distribution of the latents z."""

import torch
from torch import Tensor


class Prior:
    """Sample latents from a distribution on R^dim, and interpolate between two of them."""

    min_dim: int = 1  # the smallest dim that a run may have

    def sample(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:  # -> (n, dim)
        """Return n latents on `device`; without a `generator`, from torch's default one."""
        raise NotImplementedError

    def sample_truncated(self, n: int, dim: int, limit: float, generator: torch.Generator) -> Tensor:  # -> (n, dim)
        """Return n latents on the CPU with every coordinate in [−limit, limit]: better samples, less variety.

        Brock et al. 2019, section 3.1. Raises ValueError where the distribution has no tails to truncate.
        """
        raise ValueError(f"truncation cuts a Gaussian's tails; the prior is {type(self).__name__}, which has none")

    def interpolate(self, start: Tensor, end: Tensor, weight: Tensor) -> Tensor:  # (N, dim), (N, dim), (N,) -> (N, dim)
        """Return latents between `start` (weight 0) and `end` (weight 1) that are as likely as both."""
        return torch.lerp(start, end, weight.unsqueeze(1))


def slerp(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:  # (N, dim), (N, dim), (N,) -> (N, dim)
    """Interpolate along the great circle, the length linearly (Shoemake 1985; for GANs White 2016, section 2.1).

    In many dimensions a Gaussian's samples lie near a sphere, and the chord between two of them passes far inside it. Falls
    back to the straight line where the points are parallel or opposite, and in one dimension.
    """
    weight = weight.unsqueeze(1)
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    cosine = ((start / lengths[0]) * (end / lengths[1])).sum(1, keepdim=True)
    angle = cosine.clamp(-1, 1).acos()
    direction = torch.sin((1 - weight) * angle) * start / lengths[0] + torch.sin(weight * angle) * end / lengths[1]
    curved = direction / angle.sin() * torch.lerp(*lengths, weight)
    return torch.where(cosine.abs() > 1 - 1e-6, torch.lerp(start, end, weight), curved)
