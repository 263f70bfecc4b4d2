"""What happens to samples, real and fake alike, before the discriminator sees them."""

from torch import Tensor, nn


class Augmentation(nn.Module):
    """The identity. Subclasses override `forward` with something differentiable; buffers are their state."""

    def forward(self, x: Tensor) -> Tensor:  # (N, …) -> (N, …)
        """Called in both turns."""
        return x

    def observe(self, real_logits: Tensor) -> None:
        """Hear what D said of real samples after its update: where an adaptive strength is set (ADA)."""
