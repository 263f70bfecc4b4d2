"""Metropolis-Hastings sampling by D (Turner et al. 2019): a chain whose stationary distribution is that of the data.

Each sample is the end of a chain of its own, whose proposals are independent samples of the generator. A proposal x' replaces x
with the probability min(1, r(x') / r(x)), where r = p_data / p_G is the density ratio. A chain begins with the ratio of a real
sample, so that no steps are lost until its beginning is forgotten. If it accepts nothing at all, the proposal of the greatest
ratio is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.sampler.base import Proposals, Sampler
from gan_lightning.step.types import Count


class MetropolisHastings(Sampler):
    """Run a chain of `steps` proposals for each sample."""

    def __init__(self, steps: Count = 100) -> None:
        self.steps = steps

    def setup(self, real: Tensor, fake: Tensor) -> None:
        self.real = real

    def draw(self, proposals: Proposals, positions: Tensor) -> Tensor:
        state = self.real[positions % len(self.real)]  # the log ratio of each chain's sample
        moved = torch.zeros(len(positions), dtype=torch.bool)
        chain, greatest = None, torch.full_like(state, -torch.inf)
        for attempt in range(self.steps):
            samples, log_ratio = proposals.propose(positions, attempt)
            accepted = proposals.uniform(positions, attempt).log() < log_ratio - state
            moved |= accepted
            best = ~moved & (log_ratio > greatest)
            greatest = torch.where(best, log_ratio, greatest)
            state = torch.where(accepted, log_ratio, state)
            if chain is None:
                chain = samples.clone()
            chain[accepted | best] = samples[accepted | best]
        assert chain is not None  # a chain has at least one step
        return chain
