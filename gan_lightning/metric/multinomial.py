"""The Kullback-Leibler divergence that chance alone gives the shares of n draws from a distribution.

expected_kl = E Σₖ cₖ/n ln (cₖ / n pₖ) with cₖ ~ binomial(n, pₖ)

This is the expected score of a perfect generator, summed exactly. For many draws per cell it tends to (cells − 1) / 2n
(Wilks 1938), which is far too large where there are more cells than draws.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_TERMS = 1_000_000  # in memory


def expected_kl(p: Tensor, n: int) -> float:  # (K,) probabilities
    """Return the expectation in nats."""
    total = 0.0
    values, repeats = torch.unique_consecutive(p.double().sort().values, return_counts=True)
    chunk_size = max(MAX_TERMS // (n + 1), 1)
    for value, repeat in zip(values.split(chunk_size), repeats.split(chunk_size), strict=True):
        mean = n * float(value[-1])
        largest = min(n, int(mean + 12 * mean**0.5 + 60))  # all larger counts together have a probability below 1e-15
        c = torch.arange(1, largest + 1, dtype=torch.float64)
        log_binomial = torch.lgamma(torch.tensor(n + 1.0).double()) - torch.lgamma(c + 1) - torch.lgamma(n - c + 1)
        x = value.unsqueeze(1)
        probability = (log_binomial + c * x.log() + torch.xlogy(n - c, 1 - x)).exp()
        total += float((repeat * (probability * c / n * (c / (n * x)).log()).sum(1)).sum())
    return total
