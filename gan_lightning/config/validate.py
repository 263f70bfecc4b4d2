"""Validation of a composed config: all mistakes at once, before any data is read or any weight allocated.

Every node with a `_target_` is checked against its constructor (`node_checks`); every other key must be read by a command or
by an interpolation, so that a misspelt key is an error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.compose import config_dir
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.interpolations import references
from gan_lightning.config.node_checks import find_node_mistakes
from gan_lightning.config.optimizer_checks import MULTIPLIERS, find_optimizer_mistakes
from gan_lightning.config.outside_places import find_logger_mistakes
from gan_lightning.config.resolve import Plain, resolve
from gan_lightning.config.run_config import find_key_mistake
from gan_lightning.config.targets import ROLES, role
from gan_lightning.config.threads import AUTO, find_threads_mistake

COMMAND_KEYS = {"name", "seed", "threads", "debug", "objective", "fork"}  # top-level keys that the commands themselves read
MAX_FLOAT, MAX_WHOLE = 3.4e38, 2**63  # of torch: 32 bits, and 64
OPTIONAL = (
    "optimizer.schedules.generator.*",
    "optimizer.schedules.discriminator.*",
    "regularizer.*",
    "metric.*",
    "callback.*",
    "logger",
    "trainer.strategy",
)
REQUIRED = [place for place in ROLES if place not in OPTIONAL]


def validate(config: DictConfig) -> Plain:
    """Return the config as a plain dict that can be instantiated. Raises UserError with one line per mistake."""
    plain = resolve(config)
    reads = dict(references(OmegaConf.to_container(config, resolve=False)))
    mistakes: dict[str, str] = {}  # one per key: its first
    for line in find_mistakes(plain, set(reads.values())):
        line = at_typed_key(line, reads)
        mistakes.setdefault(line.partition(": ")[0], line)
    if mistakes:
        raise UserError(*mistakes.values())
    return plain


def at_typed_key(line: str, reads: Mapping[str, str]) -> str:
    """Move an error line from a key that is an interpolation to the key that it reads, which is the one a user types."""
    path, colon, rest = line.partition(": ")
    while reader := next((r for r in reads if path == r or path.startswith(r + ".")), None):
        path = reads[reader] + path.removeprefix(reader)
    return path + colon + rest


def find_mistakes(plain: Plain, read_keys: set[str]) -> Iterator[str]:
    """Yield one line per mistake; `read_keys` are the keys that interpolations read."""
    if mistake := find_key_mistake(plain):
        yield mistake
    for path, value in leaves(plain, every=True):
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                yield f"{path}: {number} should be a finite number"
            elif isinstance(number, int | float) and abs(number) >= (MAX_FLOAT if isinstance(number, float) else MAX_WHOLE):
                yield f"{path}: {number} is more than can be computed with"
    yield from find_missing_nodes(plain)
    yield from find_optimizer_mistakes(plain)
    read = read_keys | {MULTIPLIERS}
    unread = {path for path, node in leaves(plain) if not isinstance(node, dict) and not is_read(path, read)}
    known = {path for path, _ in leaves(plain, every=True)} - unread
    known |= {path[:dot] for path in known for dot in range(len(path)) if path[dot] == "."}
    for path, node in leaves(plain):
        if isinstance(node, dict):
            yield from find_node_mistakes(path, node, role(path))
        elif path in unread:
            yield f"{path}: no such key; {suggest(path, known)}"
    yield from find_value_mistakes(plain)
    yield from find_logger_mistakes(plain)


def find_missing_nodes(plain: Plain) -> Iterator[str]:
    """Yield a line for each required place without a node that has a `_target_`."""
    for place in REQUIRED:
        is_group = (config_dir() / place.replace(".", "/")).is_dir()  # otherwise one of several nodes of its group's options
        group = place if is_group else place.rpartition(".")[0]
        node: Any = plain
        path = ""
        for key in place.split("."):
            if isinstance(node, dict):
                node, path = node.get(key), f"{path}.{key}".lstrip(".")
        if isinstance(node, str | int | list):
            option = f"{group.replace('.', '/')}={node if path == group else '…'}"
            yield f"{path}: {json.dumps(node)} is no object; to choose an option: {option}"
        elif not isinstance(node, dict) or "_target_" not in node:
            yield f"{place}: missing; the group {group.replace('.', '/')} needs an option with a _target_ here"


def find_value_mistakes(plain: Plain) -> Iterator[str]:
    """Yield the mistakes in the values of COMMAND_KEYS."""
    seed, name, debug, objective = (plain.get(key) for key in ("seed", "name", "debug", "objective"))
    if type(seed) is not int or not 0 <= seed < 2**32:
        yield f"seed: {json.dumps(seed)} should be a whole number from 0 to {2**32 - 1}"
    if mistake := find_threads_mistake(plain.get("threads", AUTO)):  # runs of earlier versions do not have the key
        yield f"threads: {mistake}"
    if name is None or not re.fullmatch(r"\w[\w.+-]*", str(name)):
        yield f"name: {json.dumps(name)} should be a word: letters, digits and . _ + -, a letter or digit first"
    if not isinstance(debug, bool):
        yield f"debug: {json.dumps(debug)} should be true or false"
    if not (objective is None or isinstance(objective, str)):
        yield f"objective: {json.dumps(objective)} should be a score's name, or null"
    fork = plain.get("fork")
    types = [(key, type(value)) for key, value in sorted(fork.items())] if isinstance(fork, dict) else fork
    if not (types is None or types == [("run", str), ("step", int)]):
        yield f"fork: {json.dumps(fork)} should be null, or the run and the step to go on from: gan-train fork=RUN_DIR step=N"


def is_read(path: str, read_keys: set[str]) -> bool:
    """Return whether a command or an interpolation reads this key, or a node that contains it."""
    return path.partition(".")[0] in COMMAND_KEYS or any(path == key or path.startswith(key + ".") for key in read_keys)


def leaves(node: Any, path: str = "", every: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield path and content of every outermost node with a target and of every value outside; `every`: also those inside."""
    has_target = isinstance(node, dict) and "_target_" in node
    if has_target or not isinstance(node, dict):
        yield path, node
    if isinstance(node, dict) and (every or not has_target):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}".lstrip("."), every)
