"""The generator's running average: average ← average + (1 − decay) · (weights − average), after every step.

Samples of the average are better than those of the weights at any one step, which circle round the equilibrium (Yazıcı et
al. 2019). While a run is young the decay is held down to (1 + t) / (10 + t), so that the initial weights are soon forgotten.
Buffers, the batch statistics among them, are copied.
"""

import copy
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn


class EMA(nn.Module):
    """`average` is the network to sample from; `decay` 0 makes it the generator itself."""

    weight: Tensor  # (), 1 − decay at this step: a buffer, so that an update needs nothing from the host

    def __init__(self, generator: nn.Module, decay: Annotated[float, Field(ge=0, lt=1)] = 0.999, warm_up: bool = True) -> None:
        super().__init__()
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.decay, self.warm_up = decay, warm_up
        self.register_buffer("weight", torch.ones(()), persistent=False)

    def advance(self, step: int) -> None:
        """Set the weight that the next update uses: a function of the step alone."""
        self.weight.fill_(1 - (min(self.decay, (1 + step) / (10 + step)) if self.warm_up else self.decay))

    def train(self, mode: bool = True) -> "EMA":
        """The average never trains: it always samples with its running statistics."""
        return super().train(False)

    @torch.no_grad()
    def update(self, generator: nn.Module) -> None:
        """Move the average towards `generator`."""
        for average, live in zip(self.average.parameters(), generator.parameters(), strict=True):
            average.lerp_(live, self.weight)
        for copied, buffer in zip(self.average.buffers(), generator.buffers(), strict=True):
            copied.copy_(buffer)
