"""The base of all adversarial losses: per-sample terms for D and G, as functions of D's logits."""

from typing import ClassVar

from torch import Tensor


class AdversarialLoss:
    """Map logits of real and fake samples, not probabilities, to per-sample terms; the caller takes their mean."""

    relativistic: ClassVar[bool] = False  # whether `generator` needs the logits of real samples

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:  # (N,), (N,) -> (N,)
        """Return the terms that D minimises."""
        raise NotImplementedError

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:  # (N,), (N,) -> (N,)
        """Return the terms that G minimises; `real_logits` is None unless the loss is relativistic."""
        raise NotImplementedError
