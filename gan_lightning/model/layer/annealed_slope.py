"""Slope annealing: a soft function of logits becomes a hard choice over a run (Chung et al. 2017, section 3.3)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.progress import Progress

Slope = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AnnealedSlope(nn.Module):
    """Bring `slope` from 1 at the beginning of a run to `final_slope` at its end, by equal ratios; a base of neurons.

    `stochastic` neurons draw from torch's default generator in training, which each step reseeds; in eval mode all neurons are
    deterministic.
    """

    slope: Tensor  # (), a buffer, so that an iteration reads nothing from the host

    def __init__(self, stochastic: bool = False, final_slope: Slope = 1.0) -> None:
        super().__init__()
        self.stochastic, self.final_slope = stochastic, final_slope
        self.register_buffer("slope", torch.ones(()), persistent=False)

    @property
    def draws(self) -> bool:
        """Return whether outputs are drawn now, rather than the most likely ones."""
        return self.stochastic and self.training

    def advance(self, progress: Progress) -> None:
        """Set the slope of the step that follows."""
        self.slope.fill_(self.final_slope**progress.fraction)
