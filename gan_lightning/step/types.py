"""The data types of a training step: a batch, a discriminator's output, the context that losses and regularizers read.

Also the annotated types that several constructors share; a config is validated against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

Count = Annotated[int, Field(ge=1)]
NumClasses = Annotated[int, Field(ge=0)]  # 0: unlabelled, or unconditional
Shape = tuple[Count, ...]  # of a sample: (C, H, W), (C, T) or (D,)
PathText = Annotated[str, Field(min_length=1)]  # an empty path would be the current folder
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class Batch(NamedTuple):
    """Hold N real samples and their labels."""

    real: Tensor  # (N, C, H, W) in [-1, 1], (N, C, T) or (N, D)
    labels: Tensor | None  # (N,) int64; None: unlabelled

    def chunk(self, parts: int) -> list[Batch]:
        """Split into `parts` batches of N / parts samples, in order."""
        labels = [None] * parts if self.labels is None else self.labels.chunk(parts)
        return [Batch(real, own) for real, own in zip(self.real.chunk(parts), labels, strict=True)]


class Output(NamedTuple):
    """Hold what a discriminator returns for N samples."""

    logits: Tensor  # (N,)
    features: Tensor | None = None  # (N, F), the input of the last layer; auxiliary heads read them


@dataclass
class StepContext:
    """Hold one player's view of a micro-batch of N samples: latents, samples and the discriminator's outputs on them."""

    generator: nn.Module
    discriminate: Callable[[Tensor, Tensor | None], Output]  # augmentation, packing, discriminator
    z: Tensor  # (N, latent_dim)
    labels: Tensor | None  # (N,), shared by real and fake samples
    real: Tensor  # (N, *sample_shape)
    fake: Tensor  # (N, *sample_shape); detached in the discriminator's update
    real_output: Output | None  # None in the generator's update, unless the loss is relativistic
    fake_output: Output

    @cached_property
    def input_gradients(self) -> dict[str, Tensor]:  # "real" and "fake" → (N, *sample_shape)
        """Return ∂ logit / ∂ sample of the samples that an active regularizer needs, from one backward pass for both."""
        inputs = {name: x for name, x in (("real", self.real), ("fake", self.fake)) if x.requires_grad}
        sums = [output.logits.sum() for output in (self.real_output, self.fake_output) if output is not None]
        found = torch.autograd.grad(torch.stack(sums).sum(), list(inputs.values()), create_graph=True)
        return dict(zip(inputs, found, strict=True))

    @property
    def flat_input_gradients(self) -> dict[str, Tensor]:  # "real" and "fake" → (N / packing, values per logit)
        """Return the input gradients flattened to one row per logit: packed samples share a row."""
        return {name: gradient.reshape(len(self.fake_output.logits), -1) for name, gradient in self.input_gradients.items()}
