"""Schedules: how a number changes over a run, progress in [0, 1] → factor.

A schedule holds no state. Learning rates and penalty weights are functions of the step, so a resumed run has nothing to
restore, and `trainer.max_steps=` stretches all of them together.
"""

import math
from typing import Annotated

from pydantic import Field

Fraction = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(ge=0)]


class Schedule:
    """Map progress in [0, 1] to the factor that a base value is multiplied by."""

    def __call__(self, progress: float) -> float:
        """Return the factor, at least 0, at `progress` = step / max_steps."""
        raise NotImplementedError


class Constant(Schedule):
    """Return 1 throughout."""

    def __call__(self, progress: float) -> float:
        return 1.0


class Cosine(Schedule):
    """Go from `start` to `final` along half a cosine over the first `decay_fraction` of the run, then stay there.

    Loshchilov & Hutter 2017, eq. 5, without restarts.
    """

    def __init__(self, final: Factor = 0.0, start: Factor = 1.0, decay_fraction: Fraction = 1.0) -> None:
        self.final, self.start, self.decay_fraction = final, start, decay_fraction

    def __call__(self, progress: float) -> float:
        way = min(progress / self.decay_fraction, 1.0)
        return self.final + (self.start - self.final) * (1 + math.cos(math.pi * way)) / 2


class Linear(Schedule):
    """Go from 1 to `final` along a line over the first `decay_fraction` of the run, then stay there."""

    def __init__(self, final: Factor = 0.0, decay_fraction: Fraction = 1.0) -> None:
        self.final, self.decay_fraction = final, decay_fraction

    def __call__(self, progress: float) -> float:
        return 1 + (self.final - 1) * min(progress / self.decay_fraction, 1.0)


class Geometric(Schedule):
    """Decay from 1 to `final` by equal ratios over the first `decay_fraction` of the run, then stay there."""

    def __init__(self, final: Annotated[float, Field(gt=0)], decay_fraction: Fraction = 1.0) -> None:
        self.final, self.decay_fraction = final, decay_fraction

    def __call__(self, progress: float) -> float:
        return self.final ** min(progress / self.decay_fraction, 1.0)


class Ramp(Schedule):
    """Rise linearly from `start` to 1 over the first `warmup_fraction` of the run, then stay there."""

    def __init__(self, start: Factor = 0.0, warmup_fraction: Fraction = 0.1) -> None:
        self.start, self.warmup_fraction = start, warmup_fraction

    def __call__(self, progress: float) -> float:
        return self.start + (1 - self.start) * min(progress / self.warmup_fraction, 1.0)
