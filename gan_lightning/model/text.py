"""Text by Gumbel-softmax: G chooses a symbol for each position, D reads one-hot matrices.

    training   s = softmax((l + a g) / τ),  x = one-hot(argmax s) forwards, s backwards;    g = −ln(−ln u), u uniform in (0, 1)
    eval       x = one-hot(argmax l)

l are the logits of V symbols at T positions. Samples are discrete from the first step on, so that D can't tell them from real
ones by their values; the gradient is that of the soft ones ("straight-through": Jang et al. 2017, section 2.2). For sequences:
Kusner & Hernández-Lobato 2016. The temperature τ falls by equal ratios over the run, the amplitude a of the noise along a line
to 0, so that G ends as the function of z that it is in eval mode.

Both networks are fully connected over all positions of a line, with residual blocks of two layers and LeakyReLU 0.2, without
normalisation. For lines of some ten symbols this is faster on a CPU than convolutions, and reaches from one end to the other.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.choice import Choice, Temperature
from gan_lightning.model.layer.dense_residual import DenseDiscriminator, dense_generator
from gan_lightning.step.types import Count, Shape


class Generator(nn.Module):
    """Draw lines of T symbols out of V as one-hot matrices; raises ValueError for samples of another shape."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        width: Count = 256,
        depth: Count = 2,
        temperature: Temperature = 1.0,
        final_temperature: Temperature = 0.5,
        noise: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__()
        require_lines(sample_shape)
        self.layers = dense_generator(latent_dim, sample_shape, width, depth)
        self.choice = Choice(temperature, final_temperature, noise)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z) -> (N, V, T)
        return self.choice(self.layers(z))


class Discriminator(DenseDiscriminator):
    """Score lines, each independently of the others in the batch."""

    def __init__(self, sample_shape: Shape, width: Count = 256, depth: Count = 2) -> None:
        require_lines(sample_shape)
        super().__init__(sample_shape, width, depth)


def require_lines(sample_shape: Shape) -> None:
    """Raise ValueError unless samples have the shape of lines."""
    if len(sample_shape) != 2 or sample_shape[0] < 2:
        raise ValueError(f"{list(sample_shape)} is no shape of text; needed: (symbols, longest line) with at least 2 symbols")
