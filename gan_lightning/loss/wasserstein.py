"""The Wasserstein loss: the difference of D's mean logits, an estimate of the earth mover's distance if D is 1-Lipschitz.

    discriminator  fake − real
    generator      −fake

The loss does not keep D Lipschitz: combine it with `regularizer=gradient_penalty` and `gan.d_steps_per_g_step=5`.
Arjovsky et al. 2017, eq. 2 and algorithm 1.
"""

from typing import ClassVar

from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss


class Wasserstein(AdversarialLoss):
    """Compute the loss of WGAN."""

    shift_invariant: ClassVar[bool] = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits - real_logits

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -fake_logits
