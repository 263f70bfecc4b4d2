"""The base of all adversarial losses: per-sample terms for D and G, as functions of D's logits."""

from typing import ClassVar

from torch import Tensor, nn


class AdversarialLoss(nn.Module):
    """Map logits of real and fake samples, not probabilities, to terms; the caller takes their mean.

    Logits are (N,), or (N, K) where D has K outputs for a sample; the terms have the same shape. A loss with values that
    depend on the step overrides `advance` (`step/progress`).
    """

    shift_invariant: ClassVar[bool] = False  # whether a number added to all logits changes no gradient: their sign says nothing
    relativistic: ClassVar[bool] = False  # whether `generator` needs the logits of real samples

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:  # (N, …), (N, …) -> (N, …)
        """Return the terms that D minimises."""
        raise NotImplementedError

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:  # (N, …), (N, …) -> (N, …)
        """Return the terms that G minimises; `real_logits` is None unless the loss is relativistic."""
        raise NotImplementedError
