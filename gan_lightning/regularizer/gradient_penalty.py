"""Between real and fake, D's slope is held at 1: (|∇D(x̂)| − 1)², x̂ = real + u · (fake − real), u uniform in [0, 1].

An optimal Wasserstein critic has slope 1 almost everywhere on such lines. Gulrajani et al. 2017, eq. 3. One-sided,
relu(|∇D(x̂)| − 1)², only slopes above 1 are punished (ibid., section 4; Petzka et al. 2018, eq. 8).
"""

from typing import Literal

import torch
from torch import Tensor

from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import Turn


class GradientPenalty(Regularizer):
    """`weight` is λ, 10 in the paper."""

    def __init__(
        self,
        weight: Weight = 10.0,
        interval: Interval = 1,
        schedule: Schedule | None = None,
        sides: Literal["one", "two"] = "two",
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.sides = sides

    def discriminator(self, turn: Turn) -> Tensor:
        judged = len(turn.on_fake.logits)  # samples that are judged together lie on one line
        share = torch.rand(judged, device=turn.real.device).repeat_interleave(len(turn.real) // judged)
        share = share.view(-1, *[1] * (turn.real.dim() - 1))
        between = torch.lerp(turn.real.detach(), turn.fake.detach(), share).requires_grad_()
        logits = turn.judge(between, turn.labels).logits
        (slope,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
        excess = slope.reshape(judged, -1).norm(dim=1) - 1
        return (excess.relu() if self.sides == "one" else excess).square()
