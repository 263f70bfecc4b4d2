"""The two-player game min_G max_D  log D(x) + log(1 − D(G(z))), with D = sigmoid(logit).

    discriminator  softplus(−real) + softplus(fake)  =  −log D(x) − log(1 − D(G(z)))
    generator      −softplus(fake)                   =  log(1 − D(G(z)))

The *saturating* generator: early on, when D rejects its samples with confidence, its gradient, sigmoid(fake), vanishes.
Kept to be compared with `non_saturating`, which cures this. Goodfellow et al. 2014, eq. 1.
"""

from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class Minimax(AdversarialLoss):
    """The value function itself: what G minimises is what D maximises."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(-real_logits) + softplus(fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -softplus(fake_logits)
