"""gan-report: a whole sweep on one page, whatever became of its runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from gan_lightning.storage import atomic


def write_report(path: Path, out: Path | None = None) -> Path:
    """Write the page of a sweep and its twins. Returns where it is.

    What can't be read is told on it. Raises Refused if there are no runs, OSError if it can't be written.
    """
    from gan_lightning.sweep.report.collect import collect
    from gan_lightning.sweep.report.findings import Findings
    from gan_lightning.sweep.report.page import render_page
    from gan_lightning.sweep.report.tables import csv_table, markdown

    found = Findings(collect(Path(path)))
    target = out or Path(path) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    for name, text in ((target.with_suffix(".csv"), csv_table(found)), (target.with_suffix(".md"), markdown(found))):
        atomic.write_text(name, replace_surrogates(text))
    atomic.write_text(target, replace_surrogates(render_page(found)))
    return target


def replace_surrogates(text: str) -> str:
    """What stands for no character, such as half of a pair in a damaged file, as a question mark."""
    return text.encode("utf-8", "replace").decode()


def try_write_report(folder: Path) -> Path | None:
    """The page on the sweep; a report that fails costs no sweep."""
    try:
        return write_report(folder)
    except Exception as error:
        again = shlex.join(["gan-report", f"run={folder}"])
        print(f"no report: {type(error).__name__}: {error}; to try again: {again}", file=sys.stderr)
        return None
