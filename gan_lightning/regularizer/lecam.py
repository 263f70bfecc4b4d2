"""LeCam regularization: D's logits stay near running means of the other kind's, which bounds what D can learn from few samples.

    discriminator  (real − mean fake)² + (fake − mean real)²

The means are exponential averages, of all ranks, over the updates of D before this one in which the term was computed.
Tseng et al. 2021, eq. 3 and 4.
"""

import torch
from torch import Tensor, nn

from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.statistics import Decay, RunningMean
from gan_lightning.step.types import StepContext


class LeCam(Regularizer):
    """Penalise the distance of D's logits from the running means of the other kind's."""

    def __init__(
        self, weight: Weight = 0.3, interval: Interval = 1, schedule: Schedule | None = None, decay: Decay = 0.99
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.real_mean, self.fake_mean = RunningMean(decay), RunningMean(decay)
        self.seen: list[tuple[Tensor, Tensor]] = []  # mean real and fake logits of the micro-batches of this update

    def discriminator(self, context: StepContext) -> Tensor:
        assert context.real_output is not None, "D's update has real samples"
        real, fake = context.real_output.logits, context.fake_output.logits
        self.seen.append((real.detach().mean(), fake.detach().mean()))
        return (real - self.fake_mean.value).square() + (fake - self.real_mean.value).square()

    def project(self, discriminator: nn.Module) -> None:
        """Add the logits of the update that is over to the means; the weights stay as they are."""
        if self.seen:
            real, fake = zip(*self.seen, strict=True)
            self.real_mean.update(torch.stack(real))
            self.fake_mean.update(torch.stack(fake))
            self.seen.clear()
