"""Minimax with the generator's objective changed: maximise log D(G(z)) instead of minimising log(1 − D(G(z))).

    discriminator  (1 − smoothing) · softplus(−real) + smoothing · softplus(real) + softplus(fake)
    generator      softplus(−fake)  =  −log D(G(z))

Its fixed point is that of minimax, but the gradient −sigmoid(−fake) is strong where D rejects the samples. Goodfellow et al.
2014, section 3, below eq. 1. `smoothing` moves D's target for real samples to 1 − smoothing (one-sided, Salimans et al. 2016,
3.4).
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.loss.base import AdversarialLoss


class NonSaturating(AdversarialLoss):
    """Compute the non-saturating loss, the usual one."""

    def __init__(self, smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        real = softplus(-real_logits) + self.smoothing * real_logits  # softplus(x) = softplus(−x) + x
        return real + softplus(fake_logits)

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        return softplus(-fake_logits)
