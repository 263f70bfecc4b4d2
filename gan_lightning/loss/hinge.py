"""The hinge loss: samples with logits beyond the margin ±1 give D no gradient.

    discriminator  relu(1 − real) + relu(1 + fake)
    generator      −fake

Lim & Ye 2017, eq. 5 and 6; Miyato et al. 2018, eq. 16 and 17.
"""

from torch import Tensor
from torch.nn.functional import relu

from gan_lightning.loss.base import AdversarialLoss


class Hinge(AdversarialLoss):
    """Compute the hinge loss of the Geometric GAN, which SNGAN, SAGAN and BigGAN use."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return relu(1 - real_logits) + relu(1 + fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -fake_logits
