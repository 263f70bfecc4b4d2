"""The base class of samplers: choose among a generator's samples by the density ratio that its discriminator estimates.

A trained generator's distribution still differs from that of the data, and D has learned where. Samplers draw more samples than
are asked for and keep some of them, so that those that are kept follow the data more closely.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor


class Proposals(Protocol):
    """Provide another sample of the generator at each position in each attempt, and random numbers to decide by."""

    def propose(self, positions: Tensor, attempt: int) -> tuple[Tensor, Tensor]:  # (n,) -> (n, *sample_shape), (n,)
        """Return an attempt's samples at increasing positions, and log p_data / p_G of each.

        A sample is a function of its position and the attempt.
        """
        ...

    def uniform(self, positions: Tensor, attempt: int) -> Tensor:  # (n,) -> (n,) in [0, 1)
        """Return a random number for each of these samples."""
        ...


class Sampler(ABC):
    """Draw samples from proposals. What is drawn at a position is a function of the position alone."""

    @abstractmethod
    def setup(self, real: Tensor, fake: Tensor) -> None:  # (R,), (F,)
        """Learn what is needed from the log density ratios of held-out real samples and of generated ones."""

    @abstractmethod
    def draw(self, proposals: Proposals, positions: Tensor) -> Tensor:  # (n,), increasing -> (n, *sample_shape)
        """Return the samples at these positions."""
