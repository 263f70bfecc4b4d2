"""The checks of what is scheduled in the optimizers, and of the parameters that are frozen or learn at another rate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gan_lightning.config.errors import suggest
from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import constructor_parameters, import_object, refuse_target, role

MULTIPLIERS = "optimizer.lr_multipliers"


def lr_multipliers(node: Plain, player: str) -> dict[str, Any]:
    """Return beginning of a parameter's name → multiple of the learning rate; the keys of nested nodes are joined by dots."""

    def flat(inner: Any, path: str) -> dict[str, Any]:
        if not isinstance(inner, dict):
            return {path: inner}
        return {k: v for key, value in inner.items() for k, v in flat(value, f"{path}.{key}".lstrip(".")).items()}

    return flat(node.get("lr_multipliers", {}).get(player, {}), "")


def find_optimizer_mistakes(plain: Plain) -> Iterator[str]:
    """Yield the mistakes in `optimizer.schedules` and in the values of `optimizer.lr_multipliers`."""
    from gan_lightning.step.optimization import PLAYERS

    node = plain.get("optimizer")
    if not isinstance(node, dict):
        return
    for group in ("schedules", "lr_multipliers"):
        own = node.get(group, {})
        if not isinstance(own, dict) or not all(isinstance(entries, dict) for entries in own.values()):
            yield f"optimizer.{group}: {json.dumps(own)} should have a mapping for each player"
            return
        for key in own.keys() - set(PLAYERS):
            place = f"{group}.{key}" if group == "lr_multipliers" else f"{group}.{key}.{next(iter(own[key]), '')}._target_"
            yield f"optimizer.{place}: {key} is no player; {suggest(key, PLAYERS)}"
    for player in PLAYERS:
        settings = scheduled_settings(f"optimizer.{player}", node.get(player))
        for name in node.get("schedules", {}).get(player, {}):
            if settings and name not in settings:
                key = f"optimizer.schedules.{player}.{name}"
                yield f"{key}: the optimizer has no such number; {suggest(name, settings)}"
        for prefix, value in lr_multipliers(node, player).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                yield f"{MULTIPLIERS}.{player}.{prefix}: {json.dumps(value)} should be a number, at least 0 (0: frozen)"


def scheduled_settings(path: str, node: Any) -> list[str]:
    """Return the numbers of a player's optimizer that a schedule can change; empty if the node is none of an optimizer."""
    from gan_lightning.step.optimization import BETAS

    target = node.get("_target_") if isinstance(node, dict) else None
    if refuse_target(path, target, role(path)):  # before any import; another line says what is wrong with it
        return []
    parameters = constructor_parameters(import_object(str(target)))
    numbers = [name for name, p in parameters.items() if type(p.default) in (int, float) or name == "lr"]
    return numbers + (list(BETAS) if "betas" in parameters else [])
