"""Paths of a run's config that are others on this machine: of the data, of their cache, of an extractor's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.compose import Composer
from gan_lightning.config.quoting import quote_value

PLACES = ("data.root", "data.cache", "data.download", "feature.weights")


def relocate(config: DictConfig, places: Mapping[str, Any]) -> None:
    """Set those keys of a config that are PLACES to their values as they are typed; None: the config's own is kept.

    `validate` refuses a key that the config has no use for.
    """
    for key in PLACES:
        if (value := places.get(key)) is not None:
            typed = quote_value(value) if isinstance(value, str) else str(value).lower()
            OmegaConf.update(config, key, Composer().parse([f"{key}={typed}"])[0].value(), force_add=True)
