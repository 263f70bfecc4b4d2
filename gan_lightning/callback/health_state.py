"""The state of the callback `Health` that a checkpoint holds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from torch import Tensor
from typing_extensions import TypedDict

from gan_lightning.callback.state import find_type_mistake
from gan_lightning.gan import GAN

Alarm = Literal["non_finite", "discriminator_wins", "collapse", "frozen", "memorising", "leaking"]


@with_config(ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class HealthState(TypedDict):
    """Hold the streaks of the symptoms and their baselines."""

    previous_weights: list[Tensor]  # G's at the last reading, each of its parameter's shape; none before the first
    gradient_norms: list[float]
    best_coverage: dict[str, float]
    scored_step: int
    confirmed: dict[str, tuple[Alarm, str]]
    streaks: dict[str, int]
    active: list[Alarm]


def find_state_mistake(state: Any, gan: GAN) -> str | None:
    """Return what makes a file's data no state of `Health` for this GAN, in one line; None: nothing."""
    if mistake := find_type_mistake(TypeAdapter(HealthState), state):
        return mistake
    weights, parameters = state["previous_weights"], list(gan.generator.parameters())
    fits = len(weights) == len(parameters) and all(
        w.shape == p.shape and w.dtype == p.dtype for w, p in zip(weights, parameters, strict=True)
    )
    return None if fits or not weights else "previous_weights are not of the generator's shapes"
