"""The resolved config as a plain dict of plain values: interpolations, dotted keys, differences.

Imports only OmegaConf, so that `--help` and `--cfg job` start fast.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, errors
from omegaconf.resolvers import oc

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.interpolations import TRUST_VARIABLE, refuse_expansion, settle

Plain = dict[str, Any]
READABLE_VARIABLES = ("HOME", "MLFLOW_TRACKING_URI", "TMPDIR", "USER")  # environment variables that any config may read


def resolve(config: DictConfig) -> Plain:
    """Return the config as a plain dict with all interpolations resolved.

    Raises UserError, naming the key, for a mandatory value that is missing and an interpolation that can't be resolved.
    """
    unresolved = OmegaConf.to_container(config, resolve=False)
    refuse_expansion(unresolved)
    if missing := [key for key, value in flatten(dict(unresolved)).items() if value == "???"]:  # type: ignore[arg-type]
        raise UserError(*(f"{key}: missing; it is needed: {key}=…" for key in missing))
    OmegaConf.register_new_resolver("oc.env", read_environment, replace=True)
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except errors.OmegaConfBaseException as error:
        message = one_line(error).removeprefix("UserError raised while resolving interpolation: ")
        raise UserError(f"{error.full_key}: {message}") from None
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def to_plain(config: DictConfig) -> Plain:
    """Return a config as a plain dict, interpolations unresolved."""
    return {str(key): value for key, value in OmegaConf.to_container(config, resolve=False).items()}  # type: ignore[union-attr]


def settled(config: DictConfig) -> DictConfig:
    """Return the config that a run keeps: each value from outside, such as `${oc.env:NAME}`, is read now. Raises UserError."""
    return OmegaConf.create(settle(OmegaConf.to_container(config, resolve=False), resolve(config)))


def read_environment(name: str, *default: Any) -> Any:
    """Return an environment variable for `${oc.env:NAME}`.

    A stranger's config could copy a password from the environment into a file or a logger. Raises UserError for a variable
    that is neither in READABLE_VARIABLES nor trusted by the user.
    """
    trusted = (*READABLE_VARIABLES, *os.environ.get(TRUST_VARIABLE, "").split(","))
    if name not in trusted:
        allowed = ", ".join(READABLE_VARIABLES)
        raise UserError(f"reads {name} of the environment; allowed: {allowed}; to allow it: {TRUST_VARIABLE}={name}")
    return oc.env(name, *default)


def differences(old: Plain, new: Plain) -> list[str]:
    """Return `key: old → new` for every leaf that differs, sorted by key."""
    before, after = flatten(old), flatten(new)
    return [
        f"{key}: {before.get(key, 'unset')} → {after.get(key, 'unset')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, "unset") != after.get(key, "unset")
    ]


def flatten(plain: Plain) -> Plain:
    """Return dotted key → leaf."""
    flat: Plain = {}
    for key, value in plain.items():
        nested = isinstance(value, Mapping) and value
        flat |= {f"{key}.{inner}": leaf for inner, leaf in flatten(value).items()} if nested else {str(key): value}
    return flat


def above(path: str) -> set[str]:
    """Return a dotted key and those of the nodes that contain it."""
    return {path, *(path[:dot] for dot in range(len(path)) if path[dot] == ".")}
