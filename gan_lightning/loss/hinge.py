"""A margin: D stops learning from samples that it already places beyond ±1.

    discriminator  relu(1 − real) + relu(1 + fake)
    generator      −fake

Lim & Ye 2017, eq. 5 and 6; Miyato et al. 2018, eq. 16 and 17.
"""

from torch import Tensor
from torch.nn.functional import relu

from gan_lightning.loss.base import AdversarialLoss


class Hinge(AdversarialLoss):
    """Geometric GAN; the loss of SNGAN, SAGAN and BigGAN."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return relu(1 - real_logits) + relu(1 + fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -fake_logits
