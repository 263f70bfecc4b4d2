"""The base of all regularizers: a term beside the loss, for either player or both."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Schedule
from gan_lightning.step.types import Output, StepContext

Weight = Annotated[float, Field(ge=0)]
Interval = Annotated[int, Field(ge=1)]


def num_features(discriminator: nn.Module) -> int:
    """Return the number of features that a head on D reads. Raises ValueError if D does not say it."""
    if not isinstance(number := getattr(discriminator, "num_features", None), int):
        raise ValueError(f"{type(discriminator).__module__} returns no features for a head, or does not give num_features")
    return number


def sample_features(output: Output, n: int) -> Tensor:  # -> (N, F)
    """Return D's features of n samples, for a head. Raises ValueError if packed samples share them."""
    assert output.features is not None, "a discriminator with num_features returns features"
    if (rows := len(output.features)) != n:
        raise ValueError(f"{n // rows} packed samples share the features that its head reads; use gan.packing=1")
    return output.features


class Regularizer(nn.Module):
    """Add a weighted term to a player's loss: override `discriminator`, `generator` or both.

    A term has one value per sample, several, or one in all, as a penalty on weights has; its mean is minimised.
    The term is multiplied by `weight` · `schedule`(progress) and computed every `interval` steps, then with `interval` times
    the weight (lazy regularization, Karras et al. 2020, appendix B). Buffers are its state; its parameters, such as an
    auxiliary head, are trained by the discriminator's optimizer.
    """

    needs_input_gradient: ClassVar[tuple[str, ...]] = ()  # of "real", "fake": whose `context.input_gradients` it reads
    scale: Tensor  # (), the weight at this step: a buffer, so that an iteration reads nothing from the host

    def __init__(self, weight: Weight = 1.0, interval: Interval = 1, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.weight, self.interval, self.schedule = weight, interval, schedule or Constant()
        self.register_buffer("scale", torch.tensor(float(weight * interval)), persistent=False)

    def advance(self, progress: Progress) -> None:
        """Set the scale of the next iteration."""
        self.scale.fill_(self.weight * self.interval * self.schedule(progress.fraction))

    def setup(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Build what depends on the networks, such as a head as wide as D's features; called once, before training."""

    def discriminator(self, context: StepContext) -> Tensor | None:  # -> (N,), (N, …) or ()
        """Return the unweighted term of D's update, or None."""
        return None

    def generator(self, context: StepContext) -> Tensor | None:  # -> (N,), (N, …) or ()
        """Return the unweighted term of G's update, or None."""
        return None

    def project(self, discriminator: nn.Module) -> None:
        """Change D's weights in place after its update, as weight clipping does."""
