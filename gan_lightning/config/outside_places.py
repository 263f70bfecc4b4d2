"""The places outside the run directory that a config names: each is used only if the user has typed it.

The name and the version of a logger's files are names in the run directory. An address or another folder in a run's config.yaml
is data: it is used if it is typed on this command line, too, or if the environment says the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import Plain
from gan_lightning.config.world_size import is_distributed
from gan_lightning.storage.home import cache_folder, expand_home

NAMES = ("name", "version", "sub_dir", "id", "run_id")  # of a logger: parts of its files' paths
ADDRESSES = ("tracking_uri", "artifact_location", "dir", "checkpoint_path_prefix")  # of a logger
PLACES = (*(f"logger.{name}" for name in ADDRESSES), "data.cache")


def find_logger_mistakes(plain: Plain) -> Iterator[str]:
    """Yield a line for each name of a logger that would lead out of the run directory."""
    logger: Any = plain.get("logger")
    for key in NAMES if isinstance(logger, dict) else ():
        value = logger.get(key)
        if isinstance(value, str) and value and (Path(value).name != value or value == ".." or not value.isprintable()):
            yield f"logger.{key}: {json.dumps(value)} should be one name, without a folder"


def outside_places(plain: Plain) -> dict[str, str]:
    """Return key → value of the places outside the run directory that a config names, without those of the environment."""
    found: dict[str, str] = {}
    for place in PLACES:
        group, _, key = place.partition(".")
        node: Any = plain.get(group)
        value = node.get(key) if isinstance(node, dict) else None
        if value and not is_of_environment(place, str(value)):
            found[place] = str(value)
    return found


def is_of_environment(place: str, value: str) -> bool:
    """Return whether a place is the one that the environment, or its default, gives."""
    if place == "data.cache":
        return expand_home(value) == cache_folder()
    return place == "logger.tracking_uri" and value == os.environ.get("MLFLOW_TRACKING_URI")


def require_typed_places(plain: Plain, typed: Collection[str], run: str) -> None:
    """Check that each place outside the run directory that a run's config names is among the `typed` keys.

    `run` is the argument that gives the run. Raises UserError, with what to type.
    """
    lines = [
        f"{key}: {value} comes from the config.yaml of {run}, and is outside of it; to use it, add {key}={quote_value(value)}"
        for key, value in outside_places(plain).items()
        if key not in typed
    ]
    if lines:
        raise UserError(*lines)


def without_download(plain: Plain, typed: Collection[str]) -> Plain:
    """Return a run's config so that it downloads no data into the folder that it names, unless `data.download` is typed."""
    data = dict(plain["data"])
    if data.get("download") and "data.download" not in typed:
        data["download"] = False
    if isinstance(data.get("dataset"), dict) and data["dataset"].get("download") and not is_distributed():
        data["dataset"] = data["dataset"] | {"download": False}  # a rank has its config from the command that started it
    return plain | {"data": data}
