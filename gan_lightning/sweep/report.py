"""gan-report: a whole sweep on one page, whatever became of its runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pydantic import BaseModel

from gan_lightning import disk
from gan_lightning.arguments import arguments
from gan_lightning.config import Refused
from gan_lightning.ending import ending, writable


class Request(BaseModel):
    """Put a sweep on one page: who was best, what each factor did, curves, samples, what failed, what to type next.

    gan-report run=SWEEP_DIR [out=SWEEP_DIR/report.html]

    run  a sweep's folder, finished or not, or a single run's
    out  the page; its twins report.md and report.csv lie beside it under the same name
    """

    run: Path
    out: Path | None = None


def main() -> None:
    """The console script."""
    with ending():
        request: Request = arguments(Request, sys.argv[1:])
        if request.out is not None and request.out.suffix != ".html":
            raise Refused(f"out={request.out}: a page; name it ….html")
        if request.out is not None or request.run.is_dir():
            writable(request.out or request.run / "report.html")
        began = time.monotonic()
        path = report(request.run, request.out)
        print(f"{path}  {disk.size(path.stat().st_size)}, {time.monotonic() - began:.1f} s")


def report(path: Path, out: Path | None = None) -> Path:
    """Write the page of a sweep and its twins. Returns where it is.

    What can't be read is told on it. Raises Refused if there are no runs, OSError if it can't be written.
    """
    from gan_lightning.sweep.collect import collect
    from gan_lightning.sweep.findings import Findings
    from gan_lightning.sweep.page import page
    from gan_lightning.sweep.twins import markdown, table

    found = Findings(collect(Path(path)))
    target = out or Path(path) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    for name, text in ((target.with_suffix(".csv"), table(found)), (target.with_suffix(".md"), markdown(found))):
        disk.write_text(name, readable(text))
    disk.write_text(target, readable(page(found)))
    return target


def readable(text: str) -> str:
    """What stands for no character, such as half of a pair in a damaged file, as a question mark."""
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main()
