"""The least squares loss: D's logits regress to the targets 1 for real and 0 for fake, and G moves them to 1 for fake.

    discriminator  (real − 1)² / 2 + fake² / 2
    generator      (fake − 1)² / 2

Samples far on the correct side of the decision boundary still have a gradient, towards it.
Mao et al. 2017, eq. 9 (a = 0, b = c = 1).
"""

from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss


class LeastSquares(AdversarialLoss):
    """Compute the loss of LSGAN."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ((real_logits - 1).square() + fake_logits.square()) / 2

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return (fake_logits - 1).square() / 2
