"""What every score is: a torchmetrics.Metric over generated samples that gives named numbers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torchmetrics import Metric

from gan_lightning.data.base import Data

Samples = Annotated[int, Field(ge=1)]


class Score(Metric):
    """Bound to the data once, then `reset`, `update` with samples, `compute`."""

    higher: ClassVar[dict[str, bool]] = {}  # each number's name → whether more is better; the first is the headline
    conditional: ClassVar[bool] = False  # it asks the generator for classes
    full_state_update = False

    def __init__(self, num_samples: Samples = 1000) -> None:
        super().__init__()
        self.num_samples = num_samples

    def unfit(self, data: Data) -> str | None:
        """Why these data can't be scored so, from their config alone; None: they can."""
        return None

    def bind(self, data: Data) -> None:
        """Learn from the loaded data what samples will be compared with."""

    def update(self, samples: Tensor, labels: Tensor | None) -> None:  # (N, *sample_shape), (N,)
        """Hear of N more samples."""
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:  # name -> ()
        """All numbers named in `higher`, and those that stand beside them to be compared with."""
        raise NotImplementedError
