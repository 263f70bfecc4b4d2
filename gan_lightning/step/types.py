"""The data types of a training step: a batch, a discriminator's output, the context that losses and regularizers read.

Also the annotated types that several constructors share; a config is validated against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

Count = Annotated[int, Field(ge=1)]
NumClasses = Annotated[int, Field(ge=0)]  # 0: unlabelled, or unconditional
Attributes = Annotated[tuple[Count, ...], Field(min_length=2)]  # the number of values of each
NumValues = NumClasses | Attributes  # of a class, or of several attributes
Shape = tuple[Count, ...]  # of a sample: (C, H, W), (C, T) or (D,)
PathText = Annotated[str, Field(min_length=1)]  # an empty path would be the current folder
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


def describe_values(num: NumValues | Sequence[int]) -> str:
    """Return a number of classes, or of the values of each of several attributes, as it is typed: `3` or `[3,2]`."""
    return str(num) if isinstance(num, int) else f"[{','.join(map(str, num))}]"


class Batch(NamedTuple):
    """Hold N real samples and their conditions."""

    real: Tensor  # (N, C, H, W) in [-1, 1], (N, C, T) or (N, D)
    condition: Tensor | None  # classes (N,) int64, attributes (N, A) or images (N, C, H, W); None: unconditional

    def chunk(self, parts: int) -> list[Batch]:
        """Split into `parts` batches of N / parts samples, in order."""
        conditions = [None] * parts if self.condition is None else self.condition.chunk(parts)
        return [Batch(real, own) for real, own in zip(self.real.chunk(parts), conditions, strict=True)]


class Output(NamedTuple):
    """Hold what a discriminator returns for N samples."""

    logits: Tensor  # (N,), or (N, K) of a discriminator with K outputs, such as one for each patch or scale
    features: Tensor | None = None  # (N, F), the input of the last layer; auxiliary heads read them
    maps: tuple[Tensor, ...] = ()  # (N, C, …) each: maps of inner layers, for feature matching

    @property
    def mean_logits(self) -> Tensor:  # -> (N,)
        """Return one logit per sample, the mean of its K."""
        return per_sample(self.logits)

    def float(self) -> Output:
        """Return the output in fp32."""
        features = None if self.features is None else self.features.float()
        return Output(self.logits.float(), features, tuple(x.float() for x in self.maps))


def per_sample(x: Tensor) -> Tensor:  # (N, …) -> (N,); () -> (1,)
    """Return one number per sample, the mean of its values; a single number, such as a penalty on weights, as (1,)."""
    return x.reshape(-1) if x.dim() < 2 else x.flatten(1).mean(1)


class Discriminate(Protocol):
    """Describe a discriminator as losses and regularizers apply it: see `step/augmented_discriminator`."""

    def __call__(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …) -> logits (N / packing,)
        """Return the output on augmented samples."""
        ...

    def unaugmented(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …)
        """Return the output on samples as they are."""
        ...


@dataclass
class StepContext:
    """Hold one player's view of a micro-batch of N samples: latents, samples and the discriminator's outputs on them."""

    generator: nn.Module
    discriminate: Discriminate  # augmentation, packing, discriminator; `.unaugmented`: without the augmentation
    z: Tensor  # (N, latent_dim)
    condition: Tensor | None  # (N, …), shared by real and fake samples
    real: Tensor  # (N, *sample_shape)
    fake: Tensor  # (N, *sample_shape); detached in the discriminator's update
    real_output: Output | None  # None in the generator's update, unless the loss is relativistic
    fake_output: Output

    @cached_property
    def input_gradients(self) -> dict[str, Tensor]:  # "real" and "fake" → (N, *sample_shape)
        """Return ∂ logit / ∂ sample of the samples that an active regularizer needs, from one backward pass for both."""
        inputs = {name: x for name, x in (("real", self.real), ("fake", self.fake)) if x.requires_grad}
        sums = [output.mean_logits.sum() for output in (self.real_output, self.fake_output) if output is not None]
        found = torch.autograd.grad(torch.stack(sums).sum(), list(inputs.values()), create_graph=True)
        return dict(zip(inputs, found, strict=True))

    @property
    def flat_input_gradients(self) -> dict[str, Tensor]:  # "real" and "fake" → (N / packing, values per logit)
        """Return the input gradients flattened to one row per logit: packed samples share a row."""
        return {name: gradient.reshape(len(self.fake_output.logits), -1) for name, gradient in self.input_gradients.items()}
