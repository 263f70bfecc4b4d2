"""The metrics.csv of Lightning's CSV logger, over all sessions of a run: metrics.1.csv, metrics.2.csv …, metrics.csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from gan_lightning.storage import atomic


def archive(folder: Path, step: int) -> None:
    """Move the rows up to `step` to metrics.1.csv, metrics.2.csv and so on: the logger starts with an empty file."""
    current = folder / "metrics.csv"
    if not current.exists():
        return
    with current.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    at, text = header.index("step"), io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *(r for r in rows if len(r) > at and int(r[at]) <= step)])
    atomic.write_text(folder / f"metrics.{len(list(folder.glob('metrics.*.csv'))) + 1}.csv", text.getvalue())
    current.unlink()


def row(folder: Path, step: int) -> dict[str, float]:
    """Return the scalars of a step; empty where none was logged."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("metrics*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if line["step"] == str(step):
                    found |= {name: float(value) for name, value in line.items() if value and name != "step"}
    return found
