"""The base of all augmentations: a transform of the discriminator's input, real and fake alike."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn


class Augmentation(nn.Module):
    """Transform samples before the discriminator; override `forward` with a differentiable function. Buffers are its state.

    An augmentation whose strength depends on the step overrides `advance` (`step/progress`).
    """

    reads_sign: ClassVar[bool] = False  # whether `update` reads the sign of the logits, which some losses leave free

    def forward(self, x: Tensor) -> Tensor:  # (N, *sample_shape) -> (N, *sample_shape)
        """Return the augmented samples, fp32; called in both players' updates. The base is the identity."""
        return x

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        """Return why samples of this shape can't be augmented, as the end of an error line; None if they can."""
        return None

    def pair(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:  # (N, *sample_shape) each
        """Return both sides of an update, augmented one after the other; override it to draw one transform for both."""
        return self(real), self(fake)

    def probability(self) -> Tensor | None:  # -> ()
        """Return the probability with which each transform is applied to a sample; None where none is drawn.

        If it is close to 1, G can't learn what the samples look like without the transforms, and they appear in its samples.
        """
        return None

    def update(self, real_logits: Tensor) -> None:  # (n,)
        """Adapt the strength to D's detached logits of real samples, of all ranks, after D's last update of a step (ADA)."""
