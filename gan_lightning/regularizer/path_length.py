"""Path length regularization of G: a step of fixed length in w changes the image by the same amount everywhere.

    generator  (‖∂(y · G(w)) / ∂w‖ − a)²    y ~ N(0, 1 / pixels),  a the running mean of the norm

It is computed on the first half of the micro-batch, to save memory; w is z if the generator has no mapping. Where w has one
style per layer, the squared norm is the mean over layers. Karras et al. 2020, eq. 4 and appendix B: weight 2, every 4 steps.
"""

import math

import torch
from torch import Tensor

from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.latents import split_generator
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.statistics import Decay, RunningMean
from gan_lightning.step.types import StepContext


class PathLength(Regularizer):
    """Penalise differences between the lengths of G's slopes."""

    def __init__(
        self, weight: Weight = 2.0, interval: Interval = 4, schedule: Schedule | None = None, decay: Decay = 0.99
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.mean_length = RunningMean(decay)

    def generator(self, context: StepContext) -> Tensor:  # -> (⌈N / 2⌉,)
        """Return the term. Raises ValueError if the samples do not depend on w."""
        n = math.ceil(len(context.z) / 2)
        condition = None if context.condition is None else context.condition[:n]
        mapping, synthesis = split_generator(context.generator)
        w = mapping(context.z[:n].detach(), condition)
        w = w if w.requires_grad else w.requires_grad_()
        x = synthesis(w, condition).float()
        noise = torch.randn_like(x) / math.sqrt(x[0].numel() / x.shape[1])
        (slope,) = torch.autograd.grad((x * noise).sum(), w, create_graph=True, allow_unused=True)
        if slope is None:
            raise ValueError("the generator's samples do not depend on z, so no path has a length")
        length = slope.square().flatten(1).sum(1).div(slope[0].numel() // slope.shape[-1]).sqrt()
        return (length - self.mean_length.update(length)).square()
