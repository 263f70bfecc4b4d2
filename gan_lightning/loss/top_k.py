"""Top-k training of G: only the samples of a batch with the highest logits enter G's loss, fewer of them as training goes on.

The gradient of samples that D rejects most often points away from the data. The share of samples is max(`minimum`,
`schedule`(progress)). Sinha et al. 2020, section 3.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import per_sample


class TopK(AdversarialLoss):
    """Apply another loss, G's to the top samples only: the terms of all others are 0, and the mean is that of the top ones."""

    share: Tensor  # (), of the samples of a micro-batch

    def __init__(self, loss: AdversarialLoss, schedule: Schedule, minimum: Annotated[float, Field(gt=0, le=1)] = 0.5) -> None:
        super().__init__()
        self.loss, self.schedule, self.minimum = loss, schedule, minimum
        self.relativistic, self.shift_invariant = loss.relativistic, loss.shift_invariant  # type: ignore[misc]
        self.register_buffer("share", torch.ones(()), persistent=False)

    def advance(self, progress: Progress) -> None:
        self.share.fill_(max(self.minimum, min(self.schedule(progress.fraction), 1.0)))

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self.loss.discriminator(real_logits, fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        terms = self.loss.generator(real_logits, fake_logits)
        rank = per_sample(fake_logits.detach()).argsort(descending=True).argsort()  # 0: the highest logit
        k = (self.share * len(rank)).ceil()
        chosen = (rank < k).view(-1, *[1] * (terms.dim() - 1))
        return torch.where(chosen, terms, 0) * (len(rank) / k)
