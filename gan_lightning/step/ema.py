"""The exponential moving average of the generator: average ← average + (1 − decay) · (weights − average), after every step.

Samples of the average are better than those of the weights at any one step, which circle round the equilibrium (Yazıcı et
al. 2019). Early in a run the decay is limited to (1 + t) / (10 + t), so that the initial weights lose their influence soon.
Buffers, the batch statistics among them, are copied. A schedule multiplies the half-life, the number of steps in which the
influence of the weights halves: decay ← decay^(1 / factor), 0 where the factor is 0 (R3GAN, Huang et al. 2024).
"""

import copy
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Schedule


class EMA(nn.Module):
    """Keep `average`, the network to sample from; with `decay` 0 it equals the generator."""

    weight: Tensor  # (), 1 − decay at this step: a buffer, so that an update reads nothing from the host

    def __init__(
        self,
        generator: nn.Module,
        decay: Annotated[float, Field(ge=0, lt=1)] = 0.999,
        warm_up: bool = True,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__()
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.decay, self.warm_up, self.schedule = decay, warm_up, schedule or Constant()
        self.register_buffer("weight", torch.ones(()), persistent=False)

    def advance(self, progress: Progress) -> None:
        """Set the weight of the next update, a function of the progress alone."""
        step, factor = progress.step, self.schedule(progress.fraction)
        decay = self.decay ** (1 / factor) if factor else 0.0
        self.weight.fill_(1 - (min(decay, (1 + step) / (10 + step)) if self.warm_up else decay))

    def train(self, mode: bool = True) -> "EMA":
        """Stay in eval mode: the average always samples with its running statistics."""
        return super().train(False)

    @torch.no_grad()
    def update(self, generator: nn.Module) -> None:
        """Move the average towards `generator`, in place."""
        for average, live in zip(self.average.parameters(), generator.parameters(), strict=True):
            average.lerp_(live, self.weight)
        for copied, buffer in zip(self.average.buffers(), generator.buffers(), strict=True):
            copied.copy_(buffer)
