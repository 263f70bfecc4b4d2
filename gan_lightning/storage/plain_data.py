"""Plain data: the numbers, texts, lists, mappings and dense tensors of a file, and a fingerprint of their structure.

What torch's loader accepts is more than that: sparse and quantized tensors, tensors without values, views that repeat one
number a billion times, lists that contain one list a thousand times over, mappings whose methods are hidden by attributes.
`plain_copy` refuses or removes all of it, so that what follows takes no more time and memory than an honest file of this size.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

MAX_VALUES, MAX_DEPTH = 2_000_000, 32  # of one file; a value that is referred to twice counts twice
SCALARS = (type(None), bool, int, float, str, bytes)


class NotPlainError(Exception):
    """Signal that data are not plain; the message is one line."""


def plain_copy(value: Any) -> Any:
    """Return the data in new lists, tuples and dicts, with detached tensors. Raises NotPlainError."""
    return Copier().copy(value, 0)


class Copier:
    """Copy nested data, and count their values."""

    def __init__(self) -> None:
        self.values = 0

    def copy(self, value: Any, depth: int) -> Any:
        """Return a copy of plain data at this depth. Raises NotPlainError."""
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise NotPlainError("holds too many nested values")
        kind = type(value)
        if kind in SCALARS:
            return value
        if kind in (Tensor, torch.nn.Parameter):
            return dense(value)
        if kind in (list, tuple, set, torch.Size):
            items = [self.copy(item, depth + 1) for item in value]
            return kind(items) if kind in (tuple, set) else items
        if kind not in (dict, OrderedDict, Counter):
            raise NotPlainError(f"holds a {kind.__name__}, which is no plain data")
        if not all(type(key) in (str, int) for key in dict.keys(value)):
            raise NotPlainError("holds a mapping whose keys are neither text nor whole numbers")
        copied = OrderedDict((key, self.copy(item, depth + 1)) for key, item in dict.items(value))
        versions = vars(value).get("_metadata") if kind is OrderedDict else None  # of a module's state dict
        if not isinstance(versions, dict) or not all(type(item) is dict for item in dict.values(versions)):
            return Counter(copied) if kind is Counter else dict(copied)
        copied._metadata = self.copy(versions, depth + 1)  # type: ignore[attr-defined]
        return copied


def dense(x: Tensor) -> Tensor:  # (…) -> (…)
    """Return the tensor without its graph. Raises NotPlainError unless each of its values has a place of its own in memory."""
    if x.layout != torch.strided or x.is_quantized or x.is_nested or x.device.type == "meta" or x.is_conj() or x.is_neg():
        raise NotPlainError("holds a tensor that is not dense")
    if x.numel() and x.numel() > 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True)):
        raise NotPlainError(f"holds a tensor of shape {list(x.shape)} that repeats some values")
    return x.detach()


def structure(value: Any) -> str:
    """Return a hash of the names, types, shapes and dtypes in plain data, without their values."""
    return hashlib.blake2b("\n".join(describe(value, "")).encode(), digest_size=16).hexdigest()


def describe(value: Any, name: str) -> Iterator[str]:
    """Yield a line for each value in plain data, in the order of the keys."""
    if isinstance(value, dict):
        yield f"{name} dict"
        for key in sorted(value, key=str):
            yield from describe(value[key], f"{name}.{key!r}")
    elif isinstance(value, list | tuple):
        yield f"{name} {'tuple' if isinstance(value, tuple) else 'list'}"
        for i, item in enumerate(value):
            yield from describe(item, f"{name}[{i}]")
    else:
        yield f"{name} {describe_type(value)}"


def describe_type(value: Any) -> str:
    """Return a value's type in a few words: of a tensor its shape and dtype."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return type(value).__name__


def first_difference(found: Any, expected: Any, name: str) -> str | None:
    """Return where the structure of plain data first differs from what is expected, in one line; None: nowhere."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing, surplus = [key for key in expected if key not in found], [key for key in found if key not in expected]
        if missing or surplus:
            return f"{name} {'lacks' if missing else 'has a surplus'} {show(missing[0] if missing else surplus[0])}"
        pairs = [(found[key], item, f"{name}.{key}") for key, item in expected.items()]
    elif isinstance(expected, list | tuple) and type(found) is type(expected):
        if len(found) != len(expected):
            return f"{name} has {len(found)} entries, not {len(expected)}"
        pairs = [(one, other, f"{name}[{i}]") for i, (one, other) in enumerate(zip(found, expected, strict=True))]
    else:
        one, other = describe_type(found), describe_type(expected)
        return None if one == other else f"{name} is {one}, not {other}"
    return next((line for pair in pairs if (line := first_difference(*pair))), None)


def show(key: str | int) -> str:
    """Return a key from a file for a message: short, and without control characters."""
    text = str(key) if isinstance(key, str) else str(key % 10**9)
    return ascii(text[:60]).strip("'\"")
