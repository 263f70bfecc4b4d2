"""Labels from a file beside the images: StyleGAN's `dataset.json`, or a .csv with a column of names and one of labels.

A name is found as the path of an image, its path without suffix, its file name, or its file name without suffix: the first of
these by which any image is found counts for the whole file. Names are compared in Unicode's normal form C, because a macOS disk
gives them in form D.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unicodedata import normalize

from gan_lightning.data.base import LayoutError
from gan_lightning.data.image_formats import is_read
from gan_lightning.data.notices import abbreviate
from gan_lightning.storage.data_file import MEBIBYTE, read_data_file

MAX_BYTES = 256 * MEBIBYTE  # of a file of labels: some two million rows

FILE_COLUMNS = ("file", "filename", "file_name", "image", "path", "name", "img", "filepath", "image_path", "image_name",
                "image_id", "id")  # fmt: skip
LABEL_COLUMNS = ("label", "class", "target", "y", "labels", "category", "class_name", "class_id")
DELIMITERS = ",;\t"
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")  # other programs write 3.0 for 3
UNLABELLED = "or set data.num_classes=0 to take all images unlabelled"

Pairs = list[tuple[str, Any]]  # a name and its label


class FileLabels(NamedTuple):
    """Hold the label of each of M images, in their order, and the file that gives them."""

    source: str
    labels: Sequence[int | str]


def read_labels(folder: Path, files: Sequence[Path], tables: Sequence[Path]) -> FileLabels | str:
    """Return the labels of the images (relative to `folder`) by its dataset.json, or by the only one of `tables` that fits.

    A .csv file fits if it has the two columns, and names any of the images. Without labels, returns why each file gives none,
    or an empty text. Raises LayoutError if a file that fits does not agree with the images, or if several fit.
    """
    if (found := folder / "dataset.json").is_file() and (entries := read_dataset_json(found)) is not None:
        return FileLabels(str(found.absolute()), match(found, entries, files))
    fitting, reasons = [], []
    for table in sorted(tables):
        rows = read_table(table)
        if isinstance(rows, str):
            reasons.append(f"{table.name} {rows}")
        elif any(position is not None for position in locate([name for name, _ in rows], files)):
            fitting.append((table, rows))
        else:
            reasons.append(f"{table.name} names none of the images, but {abbreviate([name for name, _ in rows], 2)}")
    if len(fitting) > 1:
        names = abbreviate([table.name for table, _ in fitting])
        raise LayoutError(
            f"data.root: {len(fitting)} files in {folder.absolute()} give labels: {names}; leave only one there, {UNLABELLED}"
        )
    if fitting:
        table, rows = fitting[0]
        return FileLabels(str(table.absolute()), match(table, rows, files))
    return "; ".join(reasons)


def find_tables(folder: Path) -> list[Path]:
    """Return the .csv files in a folder, hidden ones apart."""
    return [path for path in folder.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith(".")]


def read_dataset_json(path: Path) -> Pairs | None:
    """Return the names and labels of StyleGAN's dataset.json; None: it is another program's, without "labels".

    Raises LayoutError if it can't be read, or if its labels are no whole numbers.
    """
    try:
        content = json.loads(read_data_file(path.resolve(), MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise LayoutError(f"data.root: {path.absolute()} can't be read: {why}; repair or remove it") from None
    if not isinstance(content, dict) or "labels" not in content:
        return None
    labels = content["labels"]
    if labels is None:
        raise LayoutError(f"data.root: {path.absolute()} holds no labels (null); set data.num_classes=0")
    entries = list(labels.items()) if isinstance(labels, dict) else labels
    form = 'allowed: {"labels": [["00000/img00000000.png", 3], …]}'
    if not isinstance(entries, list) or not all(isinstance(e, list | tuple) and len(e) == 2 for e in entries):
        raise LayoutError(f"data.root: {path.absolute()}: its labels are no list of names and labels; {form}")
    for name, label in entries:
        if not isinstance(name, str) or type(label) is not int:
            raise LayoutError(
                f"data.root: {path.absolute()}: {name} has the label {json.dumps(label)[:40]}; "
                f"allowed: whole numbers from 0, {UNLABELLED}"
            )
    return [(name, label) for name, label in entries]


def read_table(path: Path) -> Pairs | str:
    """Return the names and labels of a .csv file, or why it holds none.

    Its first row names the columns, or it has two: names and labels. They are separated by a comma, a semicolon or a tab.
    """
    try:
        text = read_data_file(path.resolve(), MAX_BYTES).decode("utf-8-sig")
        delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [[cell.strip() for cell in row] for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return f"can't be read as UTF-8 text ({error})"
    if not rows:
        return "is empty"
    header = [cell.casefold() for cell in rows[0]]
    file, label = (
        next((header.index(name) for name in names if name in header), None) for names in (FILE_COLUMNS, LABEL_COLUMNS)
    )
    if len(header) == 2:
        headless = file is None and label is None and not (len(rows) > 1 and is_read(rows[1][0]) and not is_read(rows[0][0]))
        file = file if file is not None else 0 if label is None else 1 - label
        label = 1 - file
        rows = rows if headless else rows[1:]
    elif file is None or label is None:
        missing = "column of file names" if file is None else "column of labels"
        allowed = ", ".join((FILE_COLUMNS if file is None else LABEL_COLUMNS)[:5])
        return f"has no {missing} ({allowed})"
    else:
        rows = rows[1:]
    width = max(file, label) + 1
    return [(row[file], row[label] if len(row) >= width else "") for row in rows if len(row) > file and row[file]]


def match(source: Path, pairs: Pairs, files: Sequence[Path], unlabelled: str = UNLABELLED) -> Sequence[int | str]:
    """Return the label of each file; `unlabelled` is the end of the error's line.

    Raises one LayoutError unless each is named, once or always with the same label.
    """
    labels: list[Any] = [None] * len(files)
    problems: dict[str, list[str]] = {"without a label": [], "with two different labels": [], "that are no image's": []}
    for (name, label), position in zip(pairs, locate([name for name, _ in pairs], files), strict=True):
        if position is None:
            problems["that are no image's"].append(name)
        elif label != "" and labels[position] not in (None, label):
            problems["with two different labels"].append(str(files[position]))
        elif label != "":
            labels[position] = label
    problems["without a label"] = [str(file) for file, label in zip(files, labels, strict=True) if label is None]
    parts = [
        f"{len(names):,} {'names' if problem.startswith('that') else 'images'} {problem} ({abbreviate(names)})"
        for problem, names in problems.items()
        if names
    ]
    if parts:
        raise LayoutError(
            f"data.root: {source.absolute()} does not fit the images: {', '.join(parts)}; correct or remove it, {unlabelled}"
        )
    if all(isinstance(label, int) or WHOLE.fullmatch(label) for label in labels):
        return [int(str(label).partition(".")[0]) for label in labels]
    return [normalize("NFC", label) for label in labels]


def locate(names: Sequence[str], files: Sequence[Path]) -> list[int | None]:
    """Return the position of the file that each name means; None: no file's."""
    paths = [PurePosixPath(normal_name(file.as_posix())) for file in files]
    wanted = [normal_name(name) for name in names]
    base = [name.rpartition("/")[2] for name in wanted]
    by_path = [str(path) for path in paths], [str(path.with_suffix("")) for path in paths]
    by_name = [path.name for path in paths], [path.stem for path in paths]
    found: list[int | None] = []
    for keys, given in [*((keys, wanted) for keys in by_path), *((keys, base) for keys in by_name)]:
        count = Counter(keys)
        table = {key: position for position, key in enumerate(keys) if count[key] == 1}  # a name of two files means neither
        found = [table.get(name) for name in given]
        if any(position is not None for position in found):
            break
    return found


def normal_name(name: str) -> str:
    """Return a file's name in Unicode's normal form C, with `/` between its folders and none before the first."""
    return normalize("NFC", name).replace("\\", "/").removeprefix("./")
