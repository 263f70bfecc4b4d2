"""Labels from named columns of a .csv file: `data.labels=faces.csv:hair`, or several attributes: `faces.csv:hair,eyes`.

    file,hair,eyes
    000000.png,short13,variant11

The first row names the columns. The images are in the column `file` (or another of FILE_COLUMNS), else in the first one. Every
image has one row, and every row an image and a value: a table that is wrong in one place may be wrong in others.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gan_lightning.data.base import LayoutError
from gan_lightning.data.label_files import DELIMITERS, FILE_COLUMNS, MAX_BYTES, FileLabels, match
from gan_lightning.data.notices import abbreviate
from gan_lightning.storage.data_file import read_data_file
from gan_lightning.storage.home import expand_home

UNLABELLED = "or set data.num_classes=0 and data.labels=null to take all images unlabelled"


class LabelColumns:
    """Read the labels of images from columns of a table: `FILE:COLUMN` or `FILE:COLUMN,COLUMN`.

    FILE is looked for beside the images' folder, in it, and in the current folder. Raises LayoutError for any other text.
    """

    def __init__(self, text: str) -> None:
        name, colon, columns = text.rpartition(":")
        self.name, self.columns = name, columns.split(",")
        if not (colon and name and all(self.columns)):
            raise LayoutError(
                f"data.labels: {text}: not a file and its columns; "
                "allowed: FILE:COLUMN, such as faces.csv:hair, or FILE:COLUMN,COLUMN"
            )
        if twice := [column for column, count in Counter(self.columns).items() if count > 1]:
            raise LayoutError(f"data.labels: {text}: the column {twice[0]} is named twice; name each attribute once")

    def read(self, root: Path, files: Sequence[Path]) -> list[FileLabels]:
        """Return each file's label (relative to `root`) by each column. Raises LayoutError unless each has exactly one."""
        path = self.find(root)
        header, rows = self.parse(path)
        names = [cell.casefold() for cell in header]
        file = next((names.index(name) for name in FILE_COLUMNS if name in names), 0)
        if short := [str(number) for number, row in rows if len(row) != len(header)]:
            raise self.error(path, f"has {len(header)} columns, but another number in line {abbreviate(short)}", "repair it")
        if twice := [name for name, count in Counter(row[file] for _, row in rows).items() if count > 1]:
            raise self.error(path, f"has more than one row for {abbreviate(twice)}", "leave one")
        found = []
        for column in self.columns:
            label = self.position(path, header, column)
            pairs = [(row[file], row[label]) for _, row in rows]
            if empty := [name for name, value in pairs if not value]:
                raise self.error(path, f"has no value of {column} for {len(empty):,} images: {abbreviate(empty)}", "fill it in")
            found.append(FileLabels(f"{path}:{column}", match(path, pairs, files, UNLABELLED)))
        return found

    def find(self, root: Path) -> Path:
        """Return the table's path. Raises LayoutError if it is missing."""
        root = root.absolute()
        candidates = [folder / expand_home(self.name) for folder in (root.parent, root, Path.cwd())]
        for path in candidates:
            if path.exists():
                return path
        raise LayoutError(
            f"data.labels: {self.name} is neither beside {root}, nor in it, nor in the current folder; "
            f"give the path of a table, {UNLABELLED}"
        )

    def parse(self, path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """Return the names of the columns, and the rows with their line numbers. Raises LayoutError."""
        try:
            text = read_data_file(path.resolve(), MAX_BYTES).decode("utf-8-sig")
            delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise self.error(path, f"can't be read as UTF-8 text: {why}", "repair it") from None
        if len(rows) < 2:
            raise self.error(path, "has no rows below its header", "repair it")
        return rows[0][1], rows[1:]

    def position(self, path: Path, header: Sequence[str], column: str) -> int:
        """Return the index of the column. Raises LayoutError if there is none, or two, of its name."""
        if (count := header.count(column)) == 1:
            return header.index(column)
        if count:
            raise self.error(path, f"has {count} columns named {column}", "rename one")
        near = difflib.get_close_matches(column, header, 1, 0.6)
        hint = f"; did you mean {near[0]}? It has" if near else "; it has"
        raise self.error(path, f"has no column {column}{hint}: {abbreviate(list(header), 20)}", "name one of them")

    def error(self, path: Path, problem: str, cure: str) -> LayoutError:
        """Return the error of one line for this table."""
        return LayoutError(f"data.labels: {path} {problem}; {cure}, {UNLABELLED}")
