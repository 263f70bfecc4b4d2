"""The auxiliary classifier of AC-GAN: a head on D's features finds the class, and both players want it to be found.

    discriminator  −log P(c | x) − log P(c | G(z, c))    generator  −log P(c | G(z, c))

Odena et al. 2017, eq. 2 and 3. Of several attributes c₁ … c_A, the logarithms are added. D itself may be unconditional:
model.discriminator.num_classes=0.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_lightning.regularizer.base import Interval, Regularizer, Weight, num_features, sample_features
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import Attributes, Count, Output, StepContext


class AuxiliaryClassifier(Regularizer):
    """Add the cross entropy of a linear classifier on D's features; D's optimizer trains it."""

    def __init__(
        self, num_classes: Count | Attributes, weight: Weight = 1.0, interval: Interval = 1, schedule: Schedule | None = None
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.sizes = [num_classes] if isinstance(num_classes, int) else list(num_classes)

    def setup(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.head = nn.Linear(num_features(discriminator), sum(self.sizes))

    def discriminator(self, context: StepContext) -> Tensor:  # -> (N,)
        return self.term(context.real_output, context.condition) + self.term(context.fake_output, context.condition)

    def generator(self, context: StepContext) -> Tensor:  # -> (N,)
        return self.term(context.fake_output, context.condition)

    def term(self, output: Output | None, values: Tensor | None) -> Tensor:  # (N, F), (N,) or (N, A) -> (N,)
        """Return the cross entropy of the head's prediction, the sum over the attributes."""
        assert output is not None, "both updates have the output on generated samples, and D's on real ones"
        assert values is not None, "num_classes is that of the data, at least 1"
        logits = self.head(sample_features(output, len(values))).split(self.sizes, 1)
        attributes = values.reshape(len(values), -1).unbind(1)
        terms = [cross_entropy(own, value, reduction="none") for own, value in zip(logits, attributes, strict=True)]
        return torch.stack(terms).sum(0)
