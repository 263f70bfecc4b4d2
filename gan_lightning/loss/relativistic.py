"""D judges pairs: how much more real is this real sample than this fake one.

    discriminator  softplus(fake − real)
    generator      softplus(real − fake)

Every fake is measured against a real sample, so no class of real samples can be dropped without being seen. Paired, not
averaged: Jolicoeur-Martineau 2019, eq. 3 and 4; with R1 and R2 it converges, Huang et al. 2024 (R3GAN), eq. 2.
"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class Relativistic(AdversarialLoss):
    """RpGAN."""

    relativistic: ClassVar[bool] = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(fake_logits - real_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        assert real_logits is not None, "a relativistic loss reads real logits in both turns"
        return softplus(real_logits - fake_logits)
