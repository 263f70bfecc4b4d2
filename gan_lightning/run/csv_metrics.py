"""The metrics.csv of Lightning's CSV logger, over all sessions of a run: metrics.1.csv, metrics.2.csv …, metrics.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import MEBIBYTE, read_data_file

MAX_BYTES = 256 * MEBIBYTE  # of one file


def archive(folder: Path, step: int) -> None:
    """Move the rows up to `step` to metrics.1.csv, metrics.2.csv and so on: the logger starts with an empty file.

    Raises UserError if the file is not one of the logger's.
    """
    current = folder / "metrics.csv"
    if not current.exists():
        return
    with read_errors(current):
        header, *rows = csv.reader(open_table(current))
        at, text = header.index("step"), io.StringIO()
        kept = [row for row in rows if len(row) > at and int(row[at]) <= step]
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    atomic.write_text(folder / f"metrics.{len(list(folder.glob('metrics.*.csv'))) + 1}.csv", text.getvalue())
    current.unlink()


def row(folder: Path, step: int) -> dict[str, float]:
    """Return the scalars of a step; empty where none was logged. Raises UserError if a file is not one of the logger's."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("metrics*.csv")):
        with read_errors(path):
            for line in csv.DictReader(open_table(path)):
                if line["step"] == str(step):
                    found |= {name: float(value) for name, value in line.items() if value and name != "step"}
    return found


def open_table(path: Path) -> io.StringIO:
    """Return the text of a table as a file. Raises OSError, and ValueError for text that is no UTF-8."""
    return io.StringIO(read_data_file(path, MAX_BYTES).decode(), newline="")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Report what is wrong with a table that is read in the block as one line. Raises UserError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"run={path.parent}: {path.name} can't be read: {one_line(error)}; move it away") from None
