"""The mutual information of InfoGAN: a head on D's features reads the codes of generated samples, and G makes them readable.

    discriminator and generator  −log Q(c | G(z)) + |c' − Q'(G(z))|² / 2

c is the one-hot code and c' are the continuous codes of z, the first coordinates of `prior=coded_gaussian`. It is a lower bound
of the mutual information of codes and samples, up to a constant. Chen et al. 2016, eq. 5; λ = 1 there. No label is used.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_lightning.regularizer.base import Interval, Regularizer, Weight, num_features, sample_features
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import StepContext


class Info(Regularizer):
    """Add the error of reading the codes from D's features; D's optimizer trains the head."""

    def __init__(
        self,
        num_categories: Annotated[int, Field(ge=2)],
        num_continuous: Annotated[int, Field(ge=0)] = 0,
        weight: Weight = 1.0,
        interval: Interval = 1,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.num_categories, self.num_continuous = num_categories, num_continuous

    def setup(self, generator: nn.Module, discriminator: nn.Module) -> None:
        codes = self.num_categories + self.num_continuous
        self.head = nn.Sequential(nn.Linear(num_features(discriminator), 128), nn.LeakyReLU(0.1), nn.Linear(128, codes))

    def discriminator(self, context: StepContext) -> Tensor:  # -> (N,)
        return self.term(context)

    def generator(self, context: StepContext) -> Tensor:  # -> (N,)
        return self.term(context)

    def term(self, context: StepContext) -> Tensor:  # -> (N,)
        """Return the negative log likelihood of the codes, up to a constant."""
        k = self.num_categories
        read = self.head(sample_features(context.fake_output, len(context.z)))
        category, continuous = context.z[:, :k].argmax(1), context.z[:, k : k + self.num_continuous]
        return cross_entropy(read[:, :k], category, reduction="none") + (continuous - read[:, k:]).square().sum(1) / 2
