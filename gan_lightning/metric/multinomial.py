"""How far the shares of n draws lie from their own probabilities by chance alone.

expected_kl = E Σₖ cₖ/n ln (cₖ / n pₖ) with cₖ ~ binomial(n, pₖ): what a perfect generator scores, summed exactly. For many
draws a cell it tends to (cells − 1) / 2n (Wilks 1938), which is far too much where there are more cells than draws.
"""

from __future__ import annotations

import torch
from torch import Tensor

PART = 1_000_000  # terms at a time


def expected_kl(p: Tensor, n: int) -> float:  # (K,) probabilities
    """In nats."""
    total = 0.0
    values, times = torch.unique_consecutive(p.double().sort().values, return_counts=True)
    width = max(PART // (n + 1), 1)
    for value, count in zip(values.split(width), times.split(width), strict=True):
        mean = n * float(value[-1])
        most = min(n, int(mean + 12 * mean**0.5 + 60))  # of c: beyond it lies less than 1e-15
        c = torch.arange(1, most + 1, dtype=torch.float64)
        chosen = torch.lgamma(torch.tensor(n + 1.0).double()) - torch.lgamma(c + 1) - torch.lgamma(n - c + 1)
        x = value.unsqueeze(1)
        probability = (chosen + c * x.log() + torch.xlogy(n - c, 1 - x)).exp()
        total += float((count * (probability * c / n * (c / (n * x)).log()).sum(1)).sum())
    return total
