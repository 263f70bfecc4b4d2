"""What every score is: a torchmetrics.Metric over generated samples that gives named numbers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torchmetrics import Metric

from gan_lightning.data.base import Data
from gan_lightning.metric.feature.base import Feature
from gan_lightning.metric.reference import Reference

Samples = Annotated[int, Field(ge=1)]


class TooFew(ValueError):  # noqa: N818 - it is an answer, not a fault
    """A score can't be computed from so few samples: one sentence that says how many it wants."""


class Score(Metric):
    """Bound to real samples once, then `reset`, `update` with generated ones, `compute`.

    What it hears is kept in torchmetrics' states, so that several ranks give one number.
    """

    higher: ClassVar[dict[str, bool]] = {}  # each number's name → whether more is better; the first is the headline
    floored: ClassVar[tuple[str, ...]] = ()  # numbers that are not 0 for real samples: reported as an excess, too
    conditional: ClassVar[bool] = False  # it asks the generator for classes
    knows_train: ClassVar[bool] = False  # it compares with training samples, so held-out ones are its floor
    asks_judge: ClassVar[bool] = False  # it asks the discriminator
    feature: Feature  # what it compares samples by, if its constructor takes one
    full_state_update = False

    def __init__(self, num_samples: Samples = 1000) -> None:
        super().__init__()
        self.num_samples = num_samples

    def unfit(self, data: Data) -> str | None:
        """Why these data can't be scored so, from their config alone; None: they can."""
        return None

    def bind(self, reference: Reference) -> None:
        """Learn from real samples what generated ones will be compared with."""

    def update(self, samples: Tensor, labels: Tensor | None) -> None:  # (N, *sample_shape), (N,)
        """Hear of N more samples."""
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:  # name -> ()
        """All numbers named in `higher`, and those that stand beside them. Raises TooFew."""
        raise NotImplementedError
