"""A term beside the loss, for either player or both."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.schedule import Constant, Schedule
from gan_lightning.step.types import Turn

Weight = Annotated[float, Field(ge=0)]
Interval = Annotated[int, Field(ge=1)]


class Regularizer(nn.Module):
    """Override `discriminator`, `generator` or both. Buffers are its state, parameters its head (D's optimizer trains it).

    `weight` multiplies the term, `schedule` lets the weight change over the run, and `interval` computes it only every so
    many steps, then with so many times the weight (lazy regularization, Karras et al. 2020, appendix B).
    """

    differentiates: ClassVar[tuple[str, ...]] = ()  # of "real", "fake": whose gradient it reads from `turn.gradients`
    scale: Tensor  # (), the weight at this step: a buffer, so that an iteration needs nothing from the host

    def __init__(self, weight: Weight = 1.0, interval: Interval = 1, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.weight, self.interval, self.schedule = weight, interval, schedule or Constant()
        self.register_buffer("scale", torch.tensor(float(weight * interval)), persistent=False)

    def advance(self, progress: float) -> None:
        """Set the scale for this step."""
        self.scale.fill_(self.weight * self.interval * self.schedule(progress))

    def bind(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Meet the networks before training: the place to build a head of the right width."""

    def discriminator(self, turn: Turn) -> Tensor | None:  # -> (N,)
        """The unweighted term in D's turn; None: nothing to say."""
        return None

    def generator(self, turn: Turn) -> Tensor | None:  # -> (N,)
        """The unweighted term in G's turn; None: nothing to say."""
        return None

    def constrain(self, discriminator: nn.Module) -> None:
        """Act on D after its update: weight clipping, projections."""
