"""The choice of one of several values by Gumbel-softmax, with the gradient of a soft choice ("straight-through").

    training   s = softmax((l + a g) / τ),  x = one-hot(argmax s) forwards, s backwards;    g = −ln(−ln u), u uniform in (0, 1)
    eval       x = one-hot(argmax l)

With a = 1 and τ → 0, x is a sample of softmax(l). Jang et al. 2017, eq. 2 and section 2.2; Maddison et al. 2017.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.progress import Progress

Temperature = Annotated[float, Field(gt=0)]


class Choice(nn.Module):
    """Choose along dimension 1: τ falls by equal ratios over the run, the amplitude a of the noise along a line to 0."""

    tau: Tensor  # (), a buffer, so that an iteration reads nothing from the host
    amplitude: Tensor  # ()

    def __init__(self, temperature: Temperature, final_temperature: Temperature, noise: float) -> None:
        super().__init__()
        self.temperature, self.final_temperature, self.noise = temperature, final_temperature, noise
        self.register_buffer("tau", torch.tensor(float(temperature)), persistent=False)
        self.register_buffer("amplitude", torch.tensor(float(noise)), persistent=False)

    def advance(self, progress: Progress) -> None:
        """Set the temperature and the noise of the next iteration."""
        fraction = min(progress.fraction, 1.0)
        self.tau.fill_(self.temperature * (self.final_temperature / self.temperature) ** fraction)
        self.amplitude.fill_(self.noise * (1 - fraction))

    def forward(self, logits: Tensor) -> Tensor:  # (N, V, …) -> (N, V, …)
        """Return one-hot choices: random in training, with the gradient of the soft ones; the most likely in eval mode."""
        if not self.training:
            return one_hot_of_largest(logits)
        gumbel = -torch.empty_like(logits).exponential_().clamp(min=1e-20).log()
        soft = ((logits + self.amplitude * gumbel) / self.tau).softmax(1)
        return one_hot_of_largest(soft) + (soft - soft.detach())  # the bracket is exactly 0


def one_hot_of_largest(x: Tensor) -> Tensor:  # (N, V, …) -> (N, V, …)
    """Return 1 where x is largest along dimension 1, at the first such place, else 0."""
    return torch.zeros_like(x).scatter_(1, x.argmax(1, keepdim=True), 1.0)
