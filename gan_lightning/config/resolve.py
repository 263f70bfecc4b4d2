"""Where configs live, and how a command line becomes one: a plain dict that is checked and built from.

Only Hydra and OmegaConf are imported here, so that `--help` and `--cfg job` answer at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, errors
from omegaconf.resolvers import oc

from gan_lightning.config.errors import UserError, one_line

Plain = dict[str, Any]
READABLE = ("HOME", "MLFLOW_TRACKING_URI", "TMPDIR", "USER")  # by a config, of the environment
VARIABLES = "GAN_LIGHTNING_VARIABLES"


def leaf_keys(node: Any, path: str = "") -> Iterator[str]:
    """The dotted key of every leaf."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from leaf_keys(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path


def resolve(config: DictConfig) -> Plain:
    """All interpolations followed. Raises UserError, naming the key."""
    written = OmegaConf.to_container(config, resolve=False)
    if missing := [key for key, value in flatten(dict(written)).items() if value == "???"]:  # type: ignore[arg-type]
        raise UserError(*(f"{key}: missing; it is needed: {key}=…" for key in missing))
    OmegaConf.register_new_resolver("oc.env", read_environment, replace=True)
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except errors.OmegaConfBaseException as error:
        said = one_line(error).removeprefix("Refused raised while resolving interpolation: ")
        raise UserError(f"{error.full_key}: {said}") from None
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def read_environment(name: str, *default: Any) -> Any:
    """`${oc.env:NAME}`, of the few that any config may read: a stranger's could carry a password into a file or a logger."""
    trusted = (*READABLE, *os.environ.get(VARIABLES, "").split(","))
    if name not in trusted:
        raise UserError(f"reads {name} of the environment; allowed: {', '.join(READABLE)}; to allow it: {VARIABLES}={name}")
    return oc.env(name, *default)


def load_resolved(path: Path) -> Plain:
    """A resolved config as it was written, read in C where there is libyaml: ten times as fast. Raises OSError, YAMLError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_bytes())
    try:
        found: Plain = loader.get_single_data()
    finally:
        loader.dispose()
    return found


def differences(old: Plain, new: Plain) -> list[str]:
    """`key: old → new` for every leaf that differs."""
    before, after = flatten(old), flatten(new)
    return [
        f"{key}: {before.get(key, 'unset')} → {after.get(key, 'unset')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, "unset") != after.get(key, "unset")
    ]


def flatten(plain: Plain) -> Plain:
    """Dotted key → leaf."""
    found: Plain = {}
    for key in leaf_keys(plain):
        node: Any = plain
        for part in key.split("."):
            node = node[part]
        found[key] = node
    return found
