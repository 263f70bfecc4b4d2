"""How a number changes over a run: progress in [0, 1] → factor.

A schedule holds no state. Learning rates, penalty weights and whatever else moves are functions of the step, so a resumed
run needs nothing restored, and `trainer.max_steps=` moves all of them together.
"""

import math
from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(ge=0)]


class Schedule:
    """progress in [0, 1] → the factor that a base value is multiplied with."""

    def __call__(self, progress: float) -> float:
        raise NotImplementedError


class Constant(Schedule):
    """1 throughout."""

    def __call__(self, progress: float) -> float:
        return 1.0


class Cosine(Schedule):
    """From 1 to `final` along half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

    def __init__(self, final: Factor = 0.0) -> None:
        self.final = final

    def __call__(self, progress: float) -> float:
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


class Geometric(Schedule):
    """From 1 to `final` by equal ratios over the first `until` of the run, then `final`."""

    def __init__(self, final: Annotated[float, Field(gt=0)], until: Share = 1.0) -> None:
        self.final, self.until = final, until

    def __call__(self, progress: float) -> float:
        return self.final ** min(progress / self.until, 1.0)


class Ramp(Schedule):
    """From `start` to 1 in a straight line over the first `until` of the run, then 1."""

    def __init__(self, start: Factor = 0.0, until: Share = 0.1) -> None:
        self.start, self.until = start, until

    def __call__(self, progress: float) -> float:
        return self.start + (1 - self.start) * min(progress / self.until, 1.0)
