"""Keys that the config.yaml of an earlier version lacks: each takes the default of our conf/.

Only keys are taken that every config has today and whose default adds nothing: a run that has lost its data, model or loss
is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.compose import config_dir
from gan_lightning.config.targets import ROLES
from gan_lightning.config.validate import find_missing_nodes

OF_TRAIN = ("threads", "debug", "objective", "fork", "regularizer", "metric", "callback", "ema", "checkpoint")
OF_OPTIONS = {  # key → the option of a group that it takes
    "augmentation": "augmentation/none",
    "feature": "feature/raw",
    "optimizer.schedule": "optimizer/schedule/constant",
    "prior": "prior/gaussian",
}


@cache
def defaults() -> dict[str, Any]:
    """Return the default of each key that may be missing."""
    train = OmegaConf.load(config_dir() / "train.yaml")
    keys = [*OF_TRAIN, *(f"gan.{key}" for key in ROLES["gan"].needed)]
    options = {key: OmegaConf.load(config_dir() / f"{option}.yaml") for key, option in OF_OPTIONS.items()}
    return {key: OmegaConf.select(train, key) for key in keys} | options


def add_missing(config: DictConfig) -> list[str]:
    """Set the keys that are missing to their defaults, and return them; inside a node that is missing, too, none is set."""
    added = []
    for key, default in defaults().items():
        parent, _, leaf = key.rpartition(".")
        node = OmegaConf.select(config, parent, throw_on_resolution_failure=False) if parent else config
        if isinstance(node, DictConfig) and leaf not in node.keys():  # noqa: SIM118 - `in` is false for an interpolation, too
            OmegaConf.update(config, key, default, force_add=True)
            added.append(key)
    return added


def find_lost_keys(config: DictConfig) -> Iterator[str]:
    """Yield a line for each key without a default that every config has, and that this one lacks."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    lines = list(find_missing_nodes(plain))
    yield from lines
    for place, role in ROLES.items():
        if not any(line.startswith(f"{place}:") for line in lines):
            yield from (f"{place}.{key}: missing; it is needed" for key in role.needed if key not in plain[place])
