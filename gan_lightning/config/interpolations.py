"""Interpolations of a config: how large their values become, and which of them the config of a run may contain.

    ${data.sample_shape}  ${.lr}   another key of the same config: allowed everywhere
    ${oc.env:NAME}                 a value from outside: allowed in what is typed, and in files of `--config-dir`

A run reads values from outside once, when it begins, so its config.yaml contains none of them. A config that a stranger wrote
could copy a password by one, or become gigabytes of text from a kilobyte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gan_lightning.config.errors import UserError

TRUST_VARIABLE = "GAN_LIGHTNING_VARIABLES"  # in it a user lists the environment variables that any config may read
UNESCAPED = r"(?<!\\)(?:\\\\)*\$\{\s*"  # after an odd number of backslashes it is plain text
BEGIN = re.compile(UNESCAPED)
REFERENCE = re.compile(UNESCAPED + r"([\w.\[\]-]+)\s*\}")
RESOLVER = re.compile(UNESCAPED + r"([\w.]+)\s*:\s*([\w.\[\]-]*)")  # its name and its first argument
ENVIRONMENT = re.compile(r"\$\{oc\.env:(\w*)(,[^${}]*)?\}")
ENVIRONMENTS_OWN: dict[tuple[str, ...], str] = {
    ("logger", "tracking_uri"): "${oc.env:MLFLOW_TRACKING_URI,null}"
}  # where MLflow itself would send to
MAX_HOPS = 50  # keys that read keys that read keys …
MAX_SIZE = 3_000_000  # of a resolved config: characters, and REFERENCE_SIZE for each interpolation that is resolved
REFERENCE_SIZE = 100


def has_interpolation(text: Any) -> bool:
    """Return whether a value is a text with an interpolation in it."""
    return isinstance(text, str) and BEGIN.search(text) is not None


def is_outside(text: Any) -> bool:
    """Return whether a value contains an interpolation that is more than another key of the same config."""
    return has_interpolation(text) and len(BEGIN.findall(text)) != len(REFERENCE.findall(text))


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield path and value of every value of nested mappings and lists."""
    entries = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else None
    if entries is None:
        yield path, node
    for key, value in entries or ():
        yield from leaves(value, (*path, str(key)))


def refuse_outside(plain: Any) -> None:
    """Reject interpolations of a run's unresolved config other than those of its own keys, and those of an endless size.

    Allowed, too, are environment variables that the user lists in TRUST_VARIABLE, and ENVIRONMENTS_OWN. Raises UserError.
    """
    lines, trusted = [], os.environ.get(TRUST_VARIABLE, "").split(",")
    for path, text in leaves(plain):
        if ENVIRONMENTS_OWN.get(path) == text:
            continue
        rest = ENVIRONMENT.sub(lambda m: "" if m[1] in trusted else m[0], text) if isinstance(text, str) else ""
        if is_outside(rest):
            if named := re.search(r"oc\.env:\s*(\w+)", rest):
                why = f"reads {named[1]} of the environment, which the config of a run may not"
                cure = f"; to allow it: {TRUST_VARIABLE}={named[1]}"
            else:
                why, cure = "reads something else than a key of this config, which the config of a run may not", ""
            lines.append(f"{'.'.join(path)}: {why}{cure}")
    if lines:
        raise UserError(*lines)
    refuse_expansion(plain)


def refuse_expansion(plain: Any) -> None:
    """Reject an unresolved config whose interpolations read one another in a circle, or have too large values.

    Each size is computed once, so that this takes time in proportion to the config as it is written. Raises UserError.
    """
    sizes: dict[tuple[str, ...], int | None] = {}  # None while it is computed

    def size(path: tuple[str, ...], node: Any, hops: int = 0) -> int:
        if hops > MAX_HOPS:
            raise UserError(f"{'.'.join(path)}: is read by keys that read keys, more than {MAX_HOPS} in a row; give values")
        if path in sizes:
            if (known := sizes[path]) is None:
                raise UserError(f"{'.'.join(path)}: reads itself, by way of the keys that it reads; give a value")
            return known
        sizes[path] = None
        if isinstance(node, Mapping | list):
            entries = node.items() if isinstance(node, Mapping) else enumerate(node)
            total = sum(size((*path, str(key)), value, hops) for key, value in entries)
        else:
            total = len(node) if isinstance(node, str) else 0
            for target in find_targets(path, node):
                found = select(plain, target)
                total += REFERENCE_SIZE + (0 if found is None else size(target, found, hops + 1))
        if total > MAX_SIZE and any(has_interpolation(text) for _, text in leaves(node)):
            where = ".".join(path) or "its interpolations"
            raise UserError(f"{where}: has more than {MAX_SIZE:,} characters when its interpolations are resolved; shorten it")
        sizes[path] = total
        return total

    size((), plain)


def find_targets(path: tuple[str, ...], text: Any) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the keys that a text reads. Raises UserError for a key that is put together from other values."""
    if not has_interpolation(text):
        return
    names, resolvers = REFERENCE.findall(text), RESOLVER.findall(text)
    if len(names) + len(resolvers) < len(BEGIN.findall(text)):
        raise UserError(f"{'.'.join(path)}: an interpolation names its key in full, as ${{data.sample_shape}}")
    for name in [*names, *(argument for resolver, argument in resolvers if resolver == "oc.select" and argument)]:
        key = name.lstrip(".")
        up = len(name) - len(key)
        parts = [part for part in re.split(r"[.\[\]]+", key) if part]
        yield (*(path[: max(len(path) - up, 0)] if up else ()), *parts)


def references(unresolved: Any) -> Iterator[tuple[str, str]]:
    """Yield for each interpolation of an unresolved config the key that contains it and the key that it reads."""
    for path, text in leaves(unresolved):
        yield from ((".".join(path), ".".join(target)) for target in find_targets(path, text))


def select(node: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path of nested mappings and lists; None if there is none."""
    for part in path:
        if isinstance(node, Mapping):
            node = node.get(part, node.get(int(part)) if part.isdecimal() else None)
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def settle(node: Any, resolved: Any, path: tuple[str, ...] = ()) -> Any:
    """Return an unresolved config in which values from outside are replaced by those of the same config when `resolved`."""
    if isinstance(node, Mapping):
        return {key: settle(value, resolved[key], (*path, str(key))) for key, value in node.items()}
    if isinstance(node, list):
        return [settle(value, own, (*path, str(i))) for i, (value, own) in enumerate(zip(node, resolved, strict=True))]
    if not is_outside(node) or ENVIRONMENTS_OWN.get(path) == node:
        return node
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", resolved) if isinstance(resolved, str) else resolved
