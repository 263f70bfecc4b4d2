"""The objectives of a search: which scores are optimized, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain
from gan_lightning.sweep.search.types import Objective


def common_objectives(requested: Sequence[str] | None, configs: Sequence[Plain]) -> list[Objective]:
    """Return the objectives that all configs share, by default each config's `objective` or first score.

    Raises UserError if the configs differ, because their trials could not be compared.
    """
    choices = {tuple(list_objectives(requested, plain)) for plain in configs}
    if len(choices) > 1:
        names = " or ".join(sorted({", ".join(o.name for o in objectives) for objectives in choices}))
        raise UserError(f"objective: trials would be ranked by {names}, which can't be compared; give objective=")
    return list(choices.pop())


def list_objectives(requested: Sequence[str] | None, plain: Plain) -> list[Objective]:
    """Return the objectives of one config. Raises UserError if its metrics do not provide them."""
    from gan_lightning.config.instantiate import build_metrics

    provided = {name: maximize for metric in build_metrics(plain).values() for name, maximize in metric.maximize.items()}
    if not provided:
        raise UserError("metric: gives no score to search by; choose one, such as metric=fid")
    names = list(requested or [plain["objective"] or next(iter(provided))])
    if lines := [f"objectives: no metric gives {name}; {suggest(name, provided)}" for name in names if name not in provided]:
        raise UserError(*lines)
    if len(set(names)) < len(names):
        raise UserError(f"objectives: {', '.join(names)}: each once")
    return [Objective(name, provided[name]) for name in names]


def describe_objectives(objectives: Sequence[Objective]) -> str:
    """Return the objectives' names and directions, such as `fid (less is better)`."""
    return ", ".join(f"{o.name} ({'more' if o.maximize else 'less'} is better)" for o in objectives)
