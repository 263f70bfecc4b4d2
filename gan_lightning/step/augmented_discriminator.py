"""The discriminator as the updates apply it: on augmented samples in fp32, some of them packed for each logit."""

from dataclasses import dataclass

from torch import Tensor, nn

from gan_lightning.step.packing import pack_condition, pack_samples
from gan_lightning.step.types import Output


@dataclass(frozen=True)
class AugmentedDiscriminator:
    """Map N samples, and their conditions, to D's output on N / `packing` packed ones; samples and output are fp32."""

    discriminator: nn.Module
    augmentation: nn.Module
    packing: int

    def __call__(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …) -> logits (N / packing,)
        """Return D's output on augmented samples."""
        return self.unaugmented(self.augmentation(x.float()), condition)

    def unaugmented(self, x: Tensor, condition: Tensor | None) -> Output:  # (N, *sample_shape), (N, …)
        """Return D's output on samples as they are, for terms that augment them in a way of their own."""
        output: Output = self.discriminator(pack_samples(x.float(), self.packing), pack_condition(condition, self.packing))
        return output.float()
