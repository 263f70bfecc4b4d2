"""The data types of a search. Optuna is an optional dependency and is not imported at run time here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from optuna.trial import TrialState

Sampler = Literal["tpe", "nsga2", "random"]


class Objective(NamedTuple):
    """Name a score to optimize, and its direction."""

    name: str
    maximize: bool


class Outcome(NamedTuple):
    """Hold the outcome of a trial: its state, the objectives' values, and the reason why it was pruned or failed."""

    state: TrialState | None  # None: interrupted, so another worker continues it
    values: list[float] | None = None  # in the objectives' order
    reason: str | None = None


class SearchSettings(NamedTuple):
    """Hold the settings that may change when a search is resumed, because no trial's config depends on them."""

    trials: int
    sampler: Sampler = "tpe"
    sampler_seed: int = 0
    prune: bool = True
    warm_up: int = 0  # steps
