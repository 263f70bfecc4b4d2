"""The base of all augmentations: a transform of the discriminator's input, real and fake alike."""

from collections.abc import Sequence

from torch import Tensor, nn


class Augmentation(nn.Module):
    """Transform samples before the discriminator; override `forward` with a differentiable function. Buffers are its state."""

    def forward(self, x: Tensor) -> Tensor:  # (N, *sample_shape) -> (N, *sample_shape)
        """Return the augmented samples; called in both players' updates. The base is the identity."""
        return x

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        """Return why samples of this shape can't be augmented, as the end of an error line; None if they can."""
        return None

    def update(self, real_logits: Tensor) -> None:  # (N,)
        """Adapt the strength to D's detached logits of real samples, after D's last update of a step (ADA)."""
