"""The dual contrastive loss: D finds the real sample among the fakes, and the fake among the real samples.

    discriminator  −log(e^real / (e^real + Σ e^fake)) − log(e^−fake / (e^−fake + Σ e^−real))
    generator      the negative of it

Each sum is over the other kind's samples in the micro-batch of this process. Yu et al. 2021, section 3.
"""

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss


class DualContrastive(AdversarialLoss):
    """Compute the dual contrastive loss."""

    relativistic: ClassVar[bool] = True
    shift_invariant: ClassVar[bool] = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        real = torch.logaddexp(real_logits, fake_logits.logsumexp(0)) - real_logits
        fake = torch.logaddexp(-fake_logits, (-real_logits).logsumexp(0)) + fake_logits
        return real + fake

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        assert real_logits is not None, "a relativistic loss reads real logits in both updates"
        return -self.discriminator(real_logits, fake_logits)
