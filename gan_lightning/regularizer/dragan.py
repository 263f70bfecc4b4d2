"""The gradient penalty of DRAGAN: (|∇D(x̂)| − 1)², x̂ = real + `spread` · σ · u, u uniform in [0, 1] in each dimension.

σ is the standard deviation of the batch's real samples. D's gradient is limited near the data only, where sharp slopes precede
mode collapse. Kodali et al. 2017, section 2.4; λ = 10 there.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.regularizer.gradient_penalty import gradient_norms
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import StepContext


class DRAGAN(Regularizer):
    """Penalise D's gradient norm around real samples; `weight` is λ."""

    def __init__(
        self,
        weight: Weight = 10.0,
        interval: Interval = 1,
        schedule: Schedule | None = None,
        spread: Annotated[float, Field(gt=0)] = 0.5,
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.spread = spread

    def discriminator(self, context: StepContext) -> Tensor:
        real = context.real.detach()
        around = real + self.spread * real.std(correction=0) * torch.rand_like(real)
        return (gradient_norms(context, around) - 1).square()
