"""The relativistic average loss: D's logit of each sample is compared with the mean logit of the other kind.

    discriminator  softplus(mean fake − real) + softplus(fake − mean real)
    generator      softplus(real − mean fake) + softplus(mean real − fake)

RaSGAN, Jolicoeur-Martineau 2019, section 4.1. Both means are of the micro-batch of this process, so a smaller one
makes them noisier. The paired form, which needs no mean, is `relativistic`.
"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class RelativisticAverage(AdversarialLoss):
    """Compute the loss of RaSGAN."""

    relativistic: ClassVar[bool] = True
    shift_invariant: ClassVar[bool] = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return softplus(fake_logits.mean(0) - real_logits) + softplus(fake_logits - real_logits.mean(0))

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        assert real_logits is not None, "a relativistic loss reads real logits in both updates"
        return softplus(real_logits - fake_logits.mean(0)) + softplus(real_logits.mean(0) - fake_logits)
