"""gan-report: summarize a sweep, or a single run, on one HTML page, whatever the state of its runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pydantic import BaseModel

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes, require_writable
from gan_lightning.config.errors import UserError
from gan_lightning.storage import atomic
from gan_lightning.sweep.report.write import require_page, write_report


class Request(BaseModel):
    """Put a sweep on one page: who was best, what each factor did, curves, samples, what failed, what to type next.

    gan-report run=SWEEP_DIR [out=SWEEP_DIR/report.html] [force=]

    run    a sweep's folder, finished or not, or a single run's
    out    the page; report.md and report.csv are written beside it under the same name
    force  true: existing files that gan-report has not written are replaced
    """

    run: Path
    out: Path | None = None
    force: bool = False


def main() -> None:
    """Run the console script `gan-report`."""
    with exit_codes():
        request: Request = parse_arguments(Request, sys.argv[1:])
        check_request(request)
        start = time.monotonic()
        path = write_report(request.run, request.out, request.force)
        print(f"{path}  {atomic.format_bytes(path.stat().st_size)}, {time.monotonic() - start:.1f} s")


def check_request(request: Request) -> None:
    """Check that the page can be written. Raises UserError."""
    if request.out is not None and request.out.suffix != ".html":
        raise UserError(f"out={request.out}: a page; name it ….html")
    if request.out is not None or request.run.is_dir():
        page = request.out or request.run / "report.html"
        require_writable(page)
        require_page(page, request.run, request.force)


if __name__ == "__main__":
    main()
