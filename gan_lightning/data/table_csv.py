"""A table from a .csv file: its first line names the columns, each other line is a row."""

from __future__ import annotations

import csv
import io
from typing import Any

from gan_lightning.data.base import DataError
from gan_lightning.data.fingerprint import Entry, Fingerprint, hash_bytes
from gan_lightning.data.notices import abbreviate
from gan_lightning.data.table import RawTable, Table, is_number
from gan_lightning.step.types import PathText
from gan_lightning.storage.data_file import MEBIBYTE, read_data_file
from gan_lightning.storage.home import expand_home

MAX_BYTES = 256 * MEBIBYTE
DELIMITERS = ",;\t"
MOST_OTHERS = 0.1  # share of cells that are no numbers in a column that was meant to have numbers


class TableCSV(Table):
    """Load the file `root`, in UTF-8, with commas, semicolons or tabs between the cells.

    A column whose cells are all numbers is continuous unless it is one of `categorical`; columns in `ignored` are left out. A
    column of numbers with a few other cells, such as empty ones, is refused.
    """

    def __init__(self, root: PathText, categorical: tuple[str, ...] = (), ignored: tuple[str, ...] = (), **shared: Any) -> None:
        super().__init__(**shared)
        self.path, self.categorical, self.ignored = expand_home(root), frozenset(categorical), frozenset(ignored)

    def read(self) -> RawTable:
        names, rows = self.parse()
        if unknown := sorted((self.categorical | self.ignored) - set(names)):
            key = "data.categorical" if set(unknown) & self.categorical else "data.ignored"
            raise DataError(
                f"{key}: {self.path.absolute()} has no column {abbreviate(unknown)}; it has {abbreviate(names, 10)}"
            )
        for i, name in enumerate(names):
            if name not in self.categorical | self.ignored:
                self.require_numbers(name, [(number, row[i]) for number, row in rows])
        kept = [i for i, name in enumerate(names) if name not in self.ignored]
        if not kept:
            raise DataError("data.ignored: no column is left; name fewer")
        return RawTable([names[i] for i in kept], [[row[i] for i in kept] for _, row in rows], self.categorical)

    def require_numbers(self, name: str, cells: list[tuple[int, str]]) -> None:  # line and text of each
        """Raise DataError if almost all cells of a column are numbers, but not all."""
        others = [(number, cell) for number, cell in cells if not is_number(cell)]
        if 0 < len(others) <= MOST_OTHERS * len(cells):
            which = abbreviate(
                [f"line {number} ({cell[:20]!r})" if cell else f"line {number} (empty)" for number, cell in others]
            )
            why = f"column {name} has numbers, but not in {which}"
            raise DataError(f"data.root: {self.path.absolute()}: {why}; correct them, or name the column in data.categorical")

    def parse(self) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """Return the names of the columns, and each row with its line's number. Raises DataError if it is no table."""
        where = f"data.root: {self.path.absolute()}"
        try:
            text = self.content().decode("utf-8-sig")
            delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if line]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{where} can't be read as a table in UTF-8 ({error}); repair or replace it") from None
        if len(lines) < 2:
            raise DataError(f"{where} has no rows below a line of names; give a table with both")
        names, rows = lines[0][1], lines[1:]
        if len(set(names)) < len(names) or not all(names):
            raise DataError(f"{where}: its first line must name each column once, not {abbreviate(names)}; correct it")
        for number, row in rows:
            if len(row) != len(names):
                raise DataError(f"{where}: line {number} has {len(row)} cells, the first line {len(names)}; correct it")
        return names, rows

    def fingerprint(self) -> Fingerprint:
        content = self.content()
        entry = Entry(len(content), None, hash_bytes(content))
        return Fingerprint(
            kind=type(self).__name__,
            counts={"rows": len(self.table.rows)},
            classes=[],
            entries={self.path.name: entry},
            probes={},
        )

    def content(self) -> bytes:
        """Return the bytes of the file; a link to it is followed. Raises DataError if it can't be read."""
        try:
            return read_data_file(self.path.resolve(), MAX_BYTES)
        except OSError as error:
            raise DataError(
                f"data.root: {self.path.absolute()} can't be read ({error.strerror}); set data.root=FILE.csv"
            ) from None
