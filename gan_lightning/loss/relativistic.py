"""The relativistic loss: D's logit of each fake sample is compared with that of a real one.

    discriminator  softplus(fake − real)
    generator      softplus(real − fake)

A fake is compared with a real sample, not with a fixed boundary, so the real samples of a mode that G drops stay in the loss.
Paired, not averaged: Jolicoeur-Martineau 2019, eq. 3 and 4; with R1 and R2 it converges, Huang et al. 2024 (R3GAN), eq. 2.
"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class Relativistic(AdversarialLoss):
    """Compute the loss of RpGAN."""

    relativistic: ClassVar[bool] = True
    shift_invariant: ClassVar[bool] = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(fake_logits - real_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        assert real_logits is not None, "a relativistic loss reads real logits in both updates"
        return softplus(real_logits - fake_logits)
