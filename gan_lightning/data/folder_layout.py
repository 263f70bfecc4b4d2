"""The layout of a folder of images: which folders are splits, and where the labels come from.

1. Top folders named train and val or test (or as in SPLIT_NAMES), and no others, are the splits.
2. With classes, the columns that `data.labels` names give the labels (`label_columns`), or else a label file (`label_files`):
   of the whole folder, or one in each split's folder.
3. Otherwise a class is a subfolder, of the root or of a split's folder.

Classes are numbered in the order of their names among the training images; labels that are whole numbers are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from gan_lightning.data import label_columns
from gan_lightning.data.base import LayoutError
from gan_lightning.data.decoded_cache import Listing
from gan_lightning.data.label_files import UNLABELLED, FileLabels, find_tables, read_labels
from gan_lightning.data.notices import abbreviate, print_notice
from gan_lightning.data.split import split_by_name
from gan_lightning.step.types import NumValues, describe_values

SPLIT_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}
SPLITS = ("train", "validation", "test")
NO_CLASS = ""  # no folder has this name


class Part(NamedTuple):
    """Hold one split's folder below the root, or the root itself, and the positions of its images."""

    folder: Path
    positions: Sequence[int]


def arrange(
    root: Path,
    files: list[Path],
    num_classes: NumValues,
    split_folders: bool,
    columns: label_columns.LabelColumns | None = None,
) -> Listing:
    """Return the images with their splits and labels, and name on stderr what gives them. Raises LayoutError."""
    folders = find_split_folders(root, files) if split_folders else {}
    splits = np.array([folders[file.parts[0]] for file in files]) if folders else None
    parts = [Part(Path(name), np.flatnonzero(splits == split).tolist()) for name, split in folders.items()]
    if folders:
        announce_splits(root, parts)
    if not (num_classes or columns):
        return Listing(files, None, [], splits)
    if columns:
        found, unlabelled = columns.read(root, files), label_columns.UNLABELLED
        announce_labels(files, [source for source, _ in found])
    elif isinstance(num_classes, int):
        found, unlabelled = [find_classes(root, files, parts, num_classes)], UNLABELLED
    else:
        raise LayoutError(
            f"data.num_classes: {describe_values(num_classes)} are the values of several attributes; "
            "name the columns of a table that hold them: data.labels=TABLE.csv:COLUMN,COLUMN"
        )
    in_train = np.ones(len(files), dtype=bool) if splits is None else splits == 0
    numbers = [number_classes([x for x, own in zip(labels, in_train, strict=True) if own], source, unlabelled)
               for source, labels in found]  # fmt: skip
    require_numbers(numbers, num_classes, [source for source, _ in found], unlabelled)
    for known, (source, labels) in zip(numbers, found, strict=True):
        require_known(labels, known, files, source, unlabelled)
    values = np.array([[known[x] for x in labels] for known, (_, labels) in zip(numbers, found, strict=True)]).T  # (M, A)
    if len(numbers) == 1:
        return Listing(files, values[:, 0], [str(name) for name in numbers[0]], splits)
    attributes, combination = np.unique(values, axis=0, return_inverse=True)
    names = [list(map(str, known)) for known in numbers]
    combined = [", ".join(of[i] for of, i in zip(names, row, strict=True)) for row in attributes]
    return Listing(files, combination, combined, splits, attributes)


def find_classes(root: Path, files: Sequence[Path], parts: Sequence[Part], num_classes: int) -> FileLabels:
    """Return each image's class by a label file, which is named on stderr, or by its folder. Raises LayoutError."""
    found = find_labels(root, files, parts)
    if isinstance(found, FileLabels):
        announce_labels(files, [found.source])
        return found
    whole = parts or [Part(Path(), range(len(files)))]
    return FileLabels(str(root.absolute()), class_folders(root, files, whole, num_classes, found))


def find_split_folders(root: Path, files: Sequence[Path]) -> dict[str, int]:
    """Return the top folders that are splits, by name; none, unless all top folders are, one is train and one is not.

    Raises LayoutError if two folders are for the same split, or if images lie beside the folders.
    """
    names = sorted({file.parts[0] for file in files if len(file.parts) > 1})
    found = {name: SPLIT_NAMES[name.casefold()] for name in names if name.casefold() in SPLIT_NAMES}
    if len(found) < len(names) or 0 not in found.values() or len(found) < 2:
        return {}
    ordinary = "set data.split_folders=false to take them as ordinary folders"
    if len(set(found.values())) < len(found):
        raise LayoutError(
            f"data.root: the folders {', '.join(names)} in {root.absolute()} are splits, of which two are the same; "
            f"join them, or {ordinary}"
        )
    if loose := [str(file) for file in files if len(file.parts) == 1]:
        raise LayoutError(
            f"data.root: {len(loose)} images lie in {root.absolute()} itself and so in no split: {abbreviate(loose)}; "
            f"move them into one of the folders {', '.join(names)}, or {ordinary}"
        )
    return dict(sorted(found.items(), key=lambda item: item[1]))


def announce_splits(root: Path, parts: Sequence[Part]) -> None:
    """Print which folders are the splits, and how many images each has."""
    present = {SPLIT_NAMES[part.folder.name.casefold()] for part in parts}
    counts = ", ".join(f"{part.folder} ({len(part.positions):,} images)" for part in parts)
    rest = "".join(f"; {name} is a share of train" for i, name in enumerate(SPLITS) if i not in present)
    print_notice(f"data.root: the folders in {root.absolute()} are the splits: {counts}{rest}")


def announce_labels(files: Sequence[Path], sources: Sequence[str]) -> None:
    """Print which files give the labels; of the columns of one file, the first with the file and the others alone."""
    file = sources[0].rpartition(":")[0]
    others = [source.removeprefix(f"{file}:") for source in sources[1:]]
    print_notice(f"data.root: the labels of {len(files):,} images come from {','.join([sources[0], *others])}")


def find_labels(root: Path, files: Sequence[Path], parts: Sequence[Part]) -> FileLabels | str:
    """Return the labels by the root's label file, or by one for each split; otherwise why the files there give none.

    A .csv file at the root that has the name of a split's folder, such as train.csv, is that split's. Raises LayoutError.
    """
    tables = find_tables(root)
    own = {part.folder: [table for table in tables if table.stem == part.folder.name] for part in parts}
    found = read_labels(root, files, [table for table in tables if not any(table in named for named in own.values())])
    if isinstance(found, FileLabels) or not parts:
        return found
    labels: list[int | str] = [""] * len(files)
    results = {}
    for folder, positions in parts:
        below = [files[i].relative_to(folder) for i in positions]
        results[folder] = result = read_labels(root / folder, below, [*own[folder], *find_tables(root / folder)])
        for i, label in zip(positions, result.labels if isinstance(result, FileLabels) else (), strict=False):
            labels[i] = label
    sources = [result.source for result in results.values() if isinstance(result, FileLabels)]
    if not sources:
        return "; ".join(filter(None, [found, *map(str, results.values())]))
    if unlabelled := [str(folder) for folder, result in results.items() if not isinstance(result, FileLabels)]:
        raise LayoutError(
            f"data.root: {', '.join(sources)} gives labels, but no such file those of {', '.join(unlabelled)}; "
            f"add one there, {UNLABELLED}"
        )
    if any(isinstance(label, str) for label in labels):
        labels = [str(label) for label in labels]
    return FileLabels(", ".join(sources), labels)


def class_folders(root: Path, files: Sequence[Path], parts: Sequence[Part], num_classes: int, reason: str) -> list[int | str]:
    """Return the class of each image: the subfolder of the root, or of its split's folder, that it lies in.

    `reason`: why no file gives labels. Raises LayoutError if the first part has another number of classes, or if images lie in
    no class.
    """
    depth = len(parts[0].folder.parts)
    labels: list[int | str] = [
        normalize("NFC", file.parts[depth]) if len(file.parts) > depth + 1 else NO_CLASS for file in files
    ]
    first = (root / parts[0].folder).absolute()
    classes = sorted({str(labels[i]) for i in parts[0].positions} - {NO_CLASS})
    if len(classes) != num_classes:
        raise LayoutError(
            f"data.num_classes: {num_classes}, but {len(classes)} subfolders of {first} hold images"
            f"{': ' + abbreviate(classes) if classes else ''}{f' ({reason})' if reason else ''}; "
            f"set data.num_classes={len(classes)}"
            f"{', or 0 to take all images unlabelled' if classes else ' to take the images unlabelled'}"
        )
    for folder, positions in parts:
        if loose := [str(files[i]) for i in positions if labels[i] == NO_CLASS]:
            raise LayoutError(
                f"data.root: {len(loose)} images lie in {(root / folder).absolute()} itself and so in no class: "
                f"{abbreviate(loose)}; move them into the folder of a class, {UNLABELLED}"
            )
    return labels


def number_classes(train: Sequence[int | str], source: str, unlabelled: str) -> dict[int | str, int]:
    """Return class → number, of the classes of the training images; labels that are whole numbers keep theirs.

    Raises LayoutError if whole numbers are not 0, 1, … without a gap.
    """
    classes = sorted(set(train))  # all are whole numbers, or all are names
    wanted: list[int | str] = list(range(len(classes)))
    if classes and isinstance(classes[0], int) and classes != wanted:
        raise LayoutError(
            f"data.root: {source} has the labels {abbreviate([str(label) for label in classes])} of training images; "
            f"allowed: 0, 1, … without a gap; renumber them, {unlabelled}"
        )
    return {label: number for number, label in enumerate(classes)}


def require_numbers(
    numbers: Sequence[dict[int | str, int]], num_classes: NumValues, sources: Sequence[str], unlabelled: str
) -> None:
    """Raise LayoutError if the classes, or the values of each of several attributes, are not as many as `num_classes`."""
    counts = [len(known) for known in numbers]
    found = counts[0] if len(counts) == 1 else tuple(counts)
    if found == num_classes:
        return
    wanted = [None] * len(counts) if isinstance(num_classes, int) or len(num_classes) != len(counts) else num_classes
    have = ", ".join(
        f"{source} has {count} classes: {abbreviate(list(map(str, known)))}"
        for source, known, count, number in zip(sources, numbers, counts, wanted, strict=True)
        if count != number
    )
    raise LayoutError(
        f"data.num_classes: {describe_values(num_classes)}, but {have}; "
        f"set data.num_classes={describe_values(found)}, or {unlabelled.removeprefix('or set data.num_classes=')}"
    )


def require_known(
    labels: Sequence[int | str], numbers: dict[int | str, int], files: Sequence[Path], source: str, unlabelled: str
) -> None:
    """Raise LayoutError if an image of validation or test has a class that no training image has."""
    unknown = {str(label): str(file) for label, file in zip(labels, files, strict=True) if label not in numbers}
    if unknown:
        first = abbreviate([f"{label} ({file})" for label, file in sorted(unknown.items())])
        raise LayoutError(
            f"data.root: {source}: {len(unknown)} classes of validation or test have no training image: {first}; "
            f"give train the same classes ({abbreviate(list(map(str, numbers)))}), {unlabelled}"
        )


def split_listing(listing: Listing, validation: float, test: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted indices of train, validation and test: a split without a folder of its own is a share of train."""
    names = [file.as_posix() for file in listing.files]
    if listing.splits is None:
        return split_by_name(names, validation, test)
    train, *own = (np.flatnonzero(listing.splits == split) for split in range(len(SPLITS)))
    shares = [0.0 if len(images) else share for images, share in zip(own, (validation, test), strict=True)]
    rest, *drawn = (train[index] for index in split_by_name([names[i] for i in train], *shares))
    return rest, *(images if len(images) else other for images, other in zip(own, drawn, strict=True))
