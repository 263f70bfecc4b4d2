"""The files of a report: one page for a whole sweep, and its tables as Markdown and CSV."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from gan_lightning.run import outputs
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable


def write_report(path: Path, out: Path | None = None, force: bool = False) -> Path:
    """Write the report of a sweep, finished or not, and return the page's path, `out` or `path`/report.html.

    The tables are written beside the page as .md and .csv. What can't be read is named on the page. Raises UserError if there
    are no runs, or if another file would be replaced, OSError if the report can't be written.
    """
    from gan_lightning.sweep.report.collect import collect
    from gan_lightning.sweep.report.findings import Findings
    from gan_lightning.sweep.report.page import render_page
    from gan_lightning.sweep.report.tables import csv_table, markdown

    findings = Findings(collect(Path(path)))
    page = out or Path(path) / "report.html"
    require_page(page, Path(path), force)
    page.parent.mkdir(parents=True, exist_ok=True)
    for file, text in ((page.with_suffix(".csv"), csv_table(findings)), (page.with_suffix(".md"), markdown(findings))):
        atomic.write_text(file, replace_surrogates(text))
    atomic.write_text(page, replace_surrogates(render_page(findings)))
    return page


def require_page(page: Path, path: Path, force: bool = False) -> None:
    """Check that the report of `path` replaces no file of another origin. Raises UserError unless `force` allows it."""
    for file in (page, page.with_suffix(".csv"), page.with_suffix(".md")):
        outputs.require_replaceable(file, "gan-report", outputs.is_report, path, force)


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 can't encode, by question marks; a damaged result.json may contain them."""
    return text.encode("utf-8", "replace").decode()


def try_write_report(folder: Path) -> Path | None:
    """Write the report of a sweep; an error is printed and never fails the sweep."""
    try:
        return write_report(folder)
    except Exception as error:
        retry = shlex.join(["gan-report", f"run={folder}"])
        print(printable(f"no report: {type(error).__name__}: {error}; to try again: {retry}"), file=sys.stderr)
        return None
