"""Regression to targets: 1 for real, 0 for fake, and 1 again where G wants to be taken for real.

    discriminator  (real − 1)² / 2 + fake² / 2
    generator      (fake − 1)² / 2

Samples far on the right side of the boundary are still pulled towards it. Mao et al. 2017, eq. 9 (a = 0, b = c = 1).
"""

from torch import Tensor

from gan_lightning.loss.base import AdversarialLoss


class LeastSquares(AdversarialLoss):
    """LSGAN."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ((real_logits - 1).square() + fake_logits.square()) / 2

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return (fake_logits - 1).square() / 2
