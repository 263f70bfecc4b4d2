"""The two-player game min_G max_D  log D(x) + log(1 − D(G(z))), with D = sigmoid(logit).

    discriminator  softplus(−real) + softplus(fake)  =  −log D(x) − log(1 − D(G(z)))
    generator      −softplus(fake)                   =  log(1 − D(G(z)))

G's loss saturates: early in training, when D rejects its samples with confidence, the gradient −sigmoid(fake) vanishes. For
comparison with `non_saturating`, which avoids this. Goodfellow et al. 2014, eq. 1.
"""

from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class Minimax(AdversarialLoss):
    """Compute the value function of the game: G minimises what D maximises."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(-real_logits) + softplus(fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return -softplus(fake_logits)
