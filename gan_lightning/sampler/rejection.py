"""Discriminator rejection sampling (Azadi et al. 2019): accept a sample with a probability that grows with its density ratio.

With l = log p_data(x) / p_G(x) and its maximum L over generated samples, exact rejection sampling accepts with the probability
exp(l − L). Where L is large, almost nothing would be accepted; therefore section 3 of the paper accepts with the probability

    sigmoid(F − γ),    F = l − L − log(1 − exp(l − L − ε)),    γ: a percentile of F over generated samples

which is exp(l − L) if γ = 0 and ε = 0.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.sampler.base import Proposals, Sampler
from gan_lightning.step.types import Count

EPSILON = 1e-6  # keeps F finite at l = L


class Rejection(Sampler):
    """Draw at each position until a sample is accepted; the last of `max_attempts` samples is accepted without a test.

    γ is the `percentile` of F, in percent: the larger it is, the fewer samples are accepted, those of the largest ratios.
    """

    def __init__(self, percentile: Annotated[float, Field(ge=0, le=100)] = 20.0, max_attempts: Count = 200) -> None:
        self.percentile, self.max_attempts = percentile, max_attempts

    def setup(self, real: Tensor, fake: Tensor) -> None:
        self.greatest = fake.max()
        self.gamma = torch.quantile(self.shifted(fake), self.percentile / 100)

    def shifted(self, log_ratio: Tensor) -> Tensor:  # (n,) -> (n,)
        """Return F; a log ratio above L counts as L."""
        below = (log_ratio - self.greatest).clamp(max=0.0)
        return below - torch.log(-torch.expm1(below - EPSILON))

    def draw(self, proposals: Proposals, positions: Tensor) -> Tensor:
        accepted_samples, places, pending = [], [], torch.arange(len(positions))
        for attempt in range(self.max_attempts):
            samples, log_ratio = proposals.propose(positions[pending], attempt)
            accepted = proposals.uniform(positions[pending], attempt) < torch.sigmoid(self.shifted(log_ratio) - self.gamma)
            if attempt == self.max_attempts - 1:
                accepted[:] = True
            accepted_samples.append(samples[accepted])
            places.append(pending[accepted])
            pending = pending[~accepted]
            if not len(pending):
                break
        return torch.cat(accepted_samples)[torch.cat(places).argsort()]
