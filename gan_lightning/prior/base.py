"""Where z comes from."""

import torch
from torch import Tensor


class Prior:
    """A distribution on R^dim, and the way between two of its points."""

    def draw(self, n: int, dim: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:  # -> (n, dim)
        """N points; `generator` None: the device's default one."""
        raise NotImplementedError

    def truncated(self, n: int, dim: int, limit: float, generator: torch.Generator) -> Tensor:  # -> (n, dim)
        """N points nearer the middle, on the CPU: better samples, less variety (Brock et al. 2019, section 3.1).

        Raises ValueError where the distribution has no tails to cut.
        """
        raise ValueError(f"truncation cuts a Gaussian's tails; the prior is {type(self).__name__}, which has none")

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:  # (N, dim), (N, dim), (N,) -> (N, dim)
        """From start (share 0) to end (share 1) through points that are as likely as both."""
        return torch.lerp(start, end, share.unsqueeze(1))


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:  # (N, dim), (N, dim), (N,) -> (N, dim)
    """Along the great circle, the length going in a straight line (Shoemake 1985; for GANs White 2016, section 2.1).

    In many dimensions a Gaussian lives on a shell, and the chord between two of its points passes far inside it. The
    straight line where the points are parallel or opposite, and in one dimension.
    """
    share = share.unsqueeze(1)
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    cosine = ((start / lengths[0]) * (end / lengths[1])).sum(1, keepdim=True)
    angle = cosine.clamp(-1, 1).acos()
    turned = torch.sin((1 - share) * angle) * start / lengths[0] + torch.sin(share * angle) * end / lengths[1]
    curved = turned / angle.sin() * torch.lerp(*lengths, share)
    return torch.where(cosine.abs() > 1 - 1e-6, torch.lerp(start, end, share), curved)
