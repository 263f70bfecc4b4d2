"""A run that is opened where its data lie at another path than when it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gan_lightning.config.relocate import relocate
from gan_lightning.run.directory import Run


class RelocatedRun(Run):
    """Open a run directory with some paths of its config replaced; its files are left as they are."""

    def __init__(self, path: str | Path, places: Mapping[str, Any]) -> None:
        """Raises UserError if there is no run at `path`."""
        super().__init__(path)
        self.places = places

    @property
    def config(self) -> DictConfig:
        """Return the run's config with the replaced paths. Raises UserError if the file is no config."""
        config = super().config
        own = {"data.download": False} if config.data.get("download") else {}  # into a folder that the config names
        relocate(config, own | {key: value for key, value in self.places.items() if value is not None})
        return config
