"""The names and the fingerprint of a user's own data set, as far as its attributes give them.

torchvision's folders of images hold `samples` (or `imgs`), a list of (path, class); many other sets hold `targets` and
`classes`. Where there are no names, up to PROBES items are read and hashed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from gan_lightning.data.fingerprint import Entry, Fingerprint, file_entries, hash_bytes, stored_name
from gan_lightning.data.global_rng import seeded_rng

PROBES = 16  # items of a data set that are read


def item_names(dataset: Dataset[Any]) -> list[str]:
    """Return the name that splits each item: its file's path below the data set's root, or else its number."""
    total = len(dataset)  # type: ignore[arg-type]
    listed = listed_files(dataset)
    return [str(i) for i in range(total)] if listed is None else relative_names(dataset, [path for path, _ in listed])


def listed_files(dataset: Dataset[Any]) -> list[tuple[str, Any]] | None:
    """Return the (path, class) of each item; None if the data set holds no such list."""
    for attribute in ("samples", "imgs"):
        found = getattr(dataset, attribute, None)
        if isinstance(found, list) and len(found) == len(dataset):  # type: ignore[arg-type]
            pairs = all(isinstance(x, tuple | list) and len(x) == 2 and isinstance(x[0], str | os.PathLike) for x in found)
            if pairs:
                return [(os.fspath(path), label) for path, label in found]
    return None


def relative_names(dataset: Dataset[Any], paths: list[str]) -> list[str]:
    """Return the paths relative to the data set's `root`, or else to the folder that holds them all."""
    root = getattr(dataset, "root", None)
    prefix = folder_prefix(root) if isinstance(root, str | os.PathLike) else ""
    if not prefix or not all(path.startswith(prefix) for path in paths):
        try:
            prefix = folder_prefix(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120
        except ValueError:  # absolute paths among relative ones
            prefix = ""
    return [path[len(prefix) :].replace(os.sep, "/") for path in paths]


def folder_prefix(folder: str | os.PathLike[str]) -> str:
    """Return what the path of each file in a folder begins with; empty for the current folder without a name."""
    return os.path.join(folder, "")  # noqa: PTH118 (a Path drops the last separator)


def fingerprint_datasets(kind: str, datasets: Mapping[str, Dataset[Any]], num_classes: int) -> Fingerprint:
    """Return one fingerprint of the named data sets, the first of which gives the classes.

    With `num_classes` 0 classes and labels are left out: nothing depends on them.
    """
    counts: dict[str, int] = {}
    entries: dict[str, Entry] = {}
    probes: dict[str, str] = {}
    for name, dataset in datasets.items():
        counts[f"items in {name}"] = len(dataset)  # type: ignore[arg-type]
        entries |= {f"{name}/{file}": entry for file, entry in named_entries(dataset, num_classes).items()}
        probes |= {f"{probe} of {name}": value for probe, value in read_probes(dataset, num_classes).items()}
    classes = class_names(next(iter(datasets.values()))) if num_classes else []
    return Fingerprint(kind=kind, counts=counts, classes=classes, entries=entries, probes=probes)


def named_entries(dataset: Dataset[Any], num_classes: int) -> dict[str, Entry]:
    """Return name → entry of the files that a data set lists; empty if it lists none."""
    listed = listed_files(dataset)
    if listed is None:
        return {}
    paths = [path for path, _ in listed]
    labels = [label if num_classes and type(label) is int else None for _, label in listed]
    return file_entries(paths, relative_names(dataset, paths), labels)


def class_names(dataset: Dataset[Any]) -> list[str]:
    """Return the names of labels 0, 1, …; empty if the data set does not hold them."""
    numbers, names = getattr(dataset, "class_to_idx", None), getattr(dataset, "classes", None)
    if isinstance(numbers, Mapping) and all(type(number) is int for number in numbers.values()):
        return [stored_name(str(name)) for name in sorted(numbers, key=lambda name: int(numbers[name]))]
    return [stored_name(str(name)) for name in names] if isinstance(names, tuple | list) else []


def read_probes(dataset: Dataset[Any], num_classes: int) -> dict[str, str]:
    """Return hashes of the labels and of evenly chosen items; of no item if one of them changes from reading to reading."""
    total = len(dataset)  # type: ignore[arg-type]
    probes = {}
    labels = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if num_classes and isinstance(labels, list | tuple | np.ndarray | torch.Tensor) and len(labels) == total:
        numbers = np.asarray(labels)
        if numbers.shape == (total,) and numbers.dtype.kind in "iu":
            probes["labels"] = hash_bytes(numbers.astype("<i8").tobytes())
    items = {}
    for i in sorted({round(k) for k in np.linspace(0, total - 1, PROBES)}):
        try:
            items[f"item {i}"], again = hash_item(dataset, i), hash_item(dataset, i)
        except Exception:  # code of the user's: what it can't read is reported when training reads it
            return probes
        if again != items[f"item {i}"]:  # it draws from a generator of its own
            return probes
    return probes | items


def hash_item(dataset: Dataset[Any], i: int) -> str:
    """Return a hash of an item, read with one and the same seed. Raises TypeError for a value that can't be hashed."""
    with seeded_rng(0):
        return hash_value(dataset[i])


def hash_value(x: Any) -> str:
    """Return a hash of an image, array, tensor or number, or of a list or mapping of them.

    Raises TypeError for any other value.
    """
    if isinstance(x, Image.Image):
        return hash_bytes(repr((x.mode, x.size)).encode(), x.convert("RGBA").tobytes() if x.mode == "P" else x.tobytes())
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "buif":
        return hash_bytes(repr((x.dtype.str, x.shape)).encode(), np.ascontiguousarray(x).tobytes())
    if isinstance(x, Mapping):
        return hash_bytes(*(f"{key}: {hash_value(value)}\n".encode() for key, value in x.items()))
    if isinstance(x, tuple | list):
        return hash_bytes(*(f"{hash_value(value)}\n".encode() for value in x))
    if x is None or isinstance(x, str | bytes | int | float):
        return hash_bytes(repr(x).encode())
    raise TypeError(f"a {type(x).__name__} has no defined bytes")
