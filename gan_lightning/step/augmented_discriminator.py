"""The discriminator as the updates apply it: on augmented samples in fp32, some of them packed for each logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from gan_lightning.step.autograd import without_autocast
from gan_lightning.step.packing import pack_condition, pack_samples
from gan_lightning.step.types import Output


class Augment(Protocol):
    """Describe an augmentation: see `augmentation/base`."""

    def __call__(self, x: Tensor) -> Tensor:  # (N, *sample_shape) -> (N, *sample_shape)
        """Return the augmented samples."""
        ...

    def pair(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:  # (N, *sample_shape) each
        """Return both sides of an update, augmented."""
        ...


@dataclass(frozen=True)
class AugmentedDiscriminator:
    """Map N samples, and their conditions, to D's output on N / `packing` packed ones; samples and output are fp32."""

    discriminator: nn.Module
    augmentation: Augment
    packing: int

    def __call__(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …) -> logits (N / packing,)
        """Return D's output on augmented samples."""
        with without_autocast(x):
            augmented = self.augmentation(x.float())
        return self.unaugmented(augmented, condition)

    def unaugmented(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …)
        """Return D's output on samples as they are, for terms that augment them in a way of their own."""
        output: Output = self.discriminator(pack_samples(x.float(), self.packing), pack_condition(condition, self.packing))
        return output.float()

    def for_discriminator(
        self, real: Tensor, fake: Tensor, condition: Tensor | None
    ) -> tuple[Output, Output]:  # (N, *sample_shape) twice, (N, …) -> logits (N / packing,) each
        """Return the outputs on real and fake samples in D's update."""
        with without_autocast(real):
            real, fake = self.augmentation.pair(real.float(), fake.float())
        return self.unaugmented(real, condition), self.unaugmented(fake, condition)

    def for_generator(
        self, real: Tensor, fake: Tensor, condition: Tensor | None, relativistic: bool
    ) -> tuple[Output | None, Output]:  # (N, *sample_shape) twice, (N, …) -> logits (N / packing,) each
        """Return the outputs in G's update: on real samples without a gradient, and only for a relativistic loss."""
        if not relativistic:
            return None, self(fake, condition)
        with without_autocast(real):
            real, fake = self.augmentation.pair(real.float(), fake.float())
        with torch.no_grad():
            real_output = self.unaugmented(real, condition)
        return real_output, self.unaugmented(fake, condition)
