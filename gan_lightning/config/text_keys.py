"""The keys of a config that take a text or a path, and the quoting of their values on a command line.

A key takes what the constructor's annotation of its node says: a text if that is `str` or a path, or either of them or null. A
key without an annotation takes a text where Hydra can't read its value, and where it has a text now.
"""

from __future__ import annotations

import os
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from omegaconf import DictConfig

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import UNREADABLE, quote_scalars, quote_swept_texts, quote_text, read_value
from gan_lightning.config.resolve import Plain, flatten, to_plain
from gan_lightning.config.targets import constructor_parameters, import_object, refuse_target, role

ASSIGNMENT = re.compile(r"(\+{0,2})([\w$./@-]+)=(.*)", re.DOTALL)  # +key=value
Accepted = frozenset[Any]  # types that a key takes; empty: unknown
TEXT, NULLABLE_TEXT, UNKNOWN = frozenset({str}), frozenset({str, type(None)}), frozenset[Any]()
OUTSIDE_NODES = {"name": TEXT, "objective": NULLABLE_TEXT, "fork.run": TEXT, "threads": frozenset({str, int})}
OUTSIDE_NODES |= {"hydra.run.dir": TEXT, "hydra.sweep.dir": TEXT}


def quote_line(composer: Composer, overrides: Sequence[str], sweep: bool) -> list[str]:
    """Return the overrides of a run or a `sweep`, quoted where Hydra would not read the text that is meant."""
    configs: list[Plain] = []

    def accepted_at(key: str, value: Any) -> Accepted:
        if "@" in key or composer.options(key):
            return UNKNOWN
        if not configs:
            configs.extend(compose_readable(composer, overrides, sweep))
        return accepted_by_all(configs, key, value)

    return [quote_override(override, accepted_at, sweep) for override in overrides]


def quote_changes(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """Return overrides that change a run's `config`, quoted where Hydra would not read the text that is meant."""
    plain = to_plain(config)
    return [quote_override(override, lambda key, value: accepted_by_all([plain], key, value), False) for override in overrides]


def compose_readable(composer: Composer, overrides: Sequence[str], sweep: bool) -> list[Plain]:
    """Return the configs of the options and the classes that a line chooses, one for each combination of swept options.

    Empty if they can't be composed: the mistake is reported when the complete line is.
    """
    try:
        parsed = composer.parse([text for text in map(quote_inside, overrides) if is_readable(text)])
        choices = [o.input_line or "" for o in parsed if composer.is_choice(o)]
        values = [o.input_line or "" for o in parsed if not (composer.is_choice(o) or o.is_sweep_override())]
        targets = [text for text in values if "_target_" in text]
        return [to_plain(composer.compose([*point, *targets])) for point in composer.jobs(choices, sweep)]
    except UserError:
        return []


def quote_inside(override: str) -> str:
    """Return an override whose value is a list or mapping with its scalars quoted, if Hydra can read it only then."""
    head, equals, word = override.partition("=")
    quoted = quote_scalars(word) if read_value(word) is UNREADABLE else word
    return override if read_value(quoted) is UNREADABLE else f"{head}{equals}{quoted}"


def is_readable(override: str) -> bool:
    """Return whether Hydra can read the value of an override."""
    match = ASSIGNMENT.fullmatch(override)
    return override.startswith("~") or (match is not None and read_value(match[3]) is not UNREADABLE)


def quote_override(override: str, accepted_at: Callable[[str, Any], Accepted], sweep: bool) -> str:
    """Return an override with its value quoted by what `accepted_at` says that its key takes."""
    match = ASSIGNMENT.fullmatch(override)
    if match is None or read_value(match[3]) == match[3]:
        return override
    key, word = match[2], quote_inside(override).partition("=")[2]
    value = read_value(word)
    accepted = accepted_at(key, value)
    text = bool(accepted) and accepted <= NULLABLE_TEXT
    unannotated = not (accepted or key.startswith("hydra.") or word.startswith(("[", "{")))
    if text or (value is UNREADABLE and (unannotated or str in accepted)):
        quote = quote_swept_texts if sweep and not key.startswith("hydra.") else quote_text
        word = quote(match[3], type(None) in accepted)
    return f"{match[1]}{key}={word}"


def accepted_by_all(configs: Sequence[Plain], key: str, value: Any) -> Accepted:
    """Return the types that a key takes in any of the configs; UNKNOWN, without an import, if it has such a value already."""
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    if configs and all(is_alike(current_value(config, key), new) for config in configs for new in values):
        return UNKNOWN
    return frozenset().union(*(find_accepted(config, key) for config in configs or [{}]))


def is_alike(current: Any, new: Any) -> bool:
    """Return whether a key's current value and a new one are both numbers, both booleans, both lists or both mappings."""
    numbers = int | float | RangeSweep | IntervalSweep
    if isinstance(current, bool) or isinstance(new, bool):
        return isinstance(current, bool) and isinstance(new, bool)
    return any(isinstance(current, kind) and isinstance(new, kind) for kind in (numbers, list, dict))


def current_value(config: Plain, key: str, seen: tuple[str, ...] = ()) -> Any:
    """Return the value of a dotted key, or of the key that it reads as an interpolation; None if there is none.

    `seen` are the keys that read this one.
    """
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    read = re.fullmatch(r"\$\{(\w[\w.]*)\}", node) if isinstance(node, str) else None
    return current_value(config, read[1], (*seen, key)) if read and read[1] not in (*seen, key) else node


def find_accepted(config: Plain, key: str, seen: tuple[str, ...] = ()) -> Accepted:
    """Return the types that a key of an unresolved config takes; UNKNOWN if its node has no annotation for it.

    A key outside the nodes takes what those keys take that read it; `seen` are the keys that it reads.
    """
    if key in OUTSIDE_NODES:
        return OUTSIDE_NODES[key]
    node: Any = config
    path, annotation = "", None
    for part in key.split("."):
        target = node.get("_target_") if isinstance(node, dict) else None
        expected = role(path, annotation)
        known = target is not None and refuse_target(path, target, expected) is None
        parameter = constructor_parameters(import_object(target)).get(part) if known and target else None
        annotation = parameter.annotation if parameter else None
        node = node.get(part) if isinstance(node, dict) else None
        path = f"{path}.{part}".lstrip(".")
    if annotation not in (None, Any):
        return accepted_types(annotation)
    readers = [name for name, value in flatten(config).items() if value == f"${{{key}}}" and name not in (*seen, key)]
    if readers:
        return frozenset().union(*(find_accepted(config, reader, (*seen, key)) for reader in readers))
    return TEXT if isinstance(node, str) and not node.startswith("${") else UNKNOWN


def accepted_types(annotation: Any) -> Accepted:
    """Return the types that an annotation accepts; paths count as `str`, and any value as UNKNOWN."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return accepted_types(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        options = [accepted_types(option) for option in typing.get_args(annotation)]
        return frozenset().union(*options) if all(options) else UNKNOWN
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, str | Path | os.PathLike):
        return TEXT
    return UNKNOWN if kind is Any or isinstance(kind, typing.TypeVar) else frozenset({kind})
