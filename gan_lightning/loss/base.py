"""What both players minimise, as a function of the discriminator's logits."""

from typing import ClassVar

from torch import Tensor


class AdversarialLoss:
    """Two functions of logits. Always (real, fake), never probabilities, never reduced: the caller means."""

    relativistic: ClassVar[bool] = False  # the generator's side reads real logits too

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:  # (N,), (N,) -> (N,)
        """What D minimises."""
        raise NotImplementedError

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:  # (N,), (N,) -> (N,)
        """What G minimises; `real_logits` is None unless the loss is relativistic."""
        raise NotImplementedError
