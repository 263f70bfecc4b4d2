"""The difference of D's means, an estimate of the earth mover's distance when D is 1-Lipschitz.

    discriminator  fake − real
    generator      −fake

Nothing here keeps D Lipschitz: combine it with `regularizer=gradient_penalty` and `gan.d_steps_per_g_step=5`.
Arjovsky et al. 2017, eq. 2 and algorithm 1.
"""

from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss


class Wasserstein(AdversarialLoss):
    """WGAN."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits - real_logits

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -fake_logits
