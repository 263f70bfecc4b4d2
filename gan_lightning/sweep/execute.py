"""`gan-train -m`: validate all jobs, skip the finished ones, run the rest, and print a table of every job's status."""

from __future__ import annotations

import signal
from collections import Counter

from gan_lightning.config.compose import Composer
from gan_lightning.config.quoting import quote_value
from gan_lightning.run.directory import shorten_path
from gan_lightning.run.own_files import require_own_files
from gan_lightning.storage.printable import printable
from gan_lightning.sweep.launcher import launch_jobs
from gan_lightning.sweep.plan import plan_sweep
from gan_lightning.sweep.report.write import try_write_report
from gan_lightning.sweep.status import JobStatus, Kind, job_statuses


def execute(composer: Composer, line: list[str]) -> int:
    """Run the sweep of a command line and return its exit code: 0 if every job is finished, else 1 or 130 after ^C.

    Raises UserError, before anything is launched, if a job is invalid or its directory can't be used.
    """
    plan = plan_sweep(composer, line)
    composer.refuse_unwritable("sweep", [f"hydra.sweep.dir={quote_value(str(plan.folder))}"])
    require_own_files(plan.folder, 0)
    before = job_statuses(plan.folder, plan.jobs, composer)
    plan.save()
    counts = Counter(status.kind for status in before)
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in Kind if counts[kind])
    print(f"{len(before)} jobs: {summary} → {shorten_path(plan.folder)}", flush=True)
    pending = [status.job for status in before if status.kind in (Kind.NEW, Kind.UNFINISHED, Kind.FAILED)]
    code = 1
    try:
        if pending:
            launch_jobs(composer, plan, pending)
    except KeyboardInterrupt:  # the job that was training has saved its state
        code = 128 + signal.SIGINT
    finally:
        after = job_statuses(plan.folder, plan.jobs, composer)
        print(status_table(after), flush=True)
        if page := try_write_report(plan.folder):
            print(f"\n  report  {shorten_path(page)}", flush=True)
    return 0 if all(status.kind is Kind.FINISHED for status in after) else code


def status_table(statuses: list[JobStatus]) -> str:
    """Return a table with one row per job, and below it the number of finished jobs."""
    rows = [(describe_state(s), format_number(s.result.get("objective")), s.job.directory) for s in statuses]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, status in zip(rows, statuses, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(["", *cells, printable(status.result.get("reason") or "")]).rstrip())
    done = sum(status.kind is Kind.FINISHED for status in statuses)
    rest = "" if done == len(statuses) else "; the same command goes on with the rest"
    return "\n".join(["", *lines, "", f"  {done} of {len(statuses)} finished{rest}"])


def describe_state(status: JobStatus) -> str:
    """Return a job's state as a table cell, such as `finished at step 500`."""
    if status.kind is Kind.NEW:
        return "never began"
    state = "running elsewhere" if status.kind is Kind.ELSEWHERE else str(status.result.get("status", "never began"))
    return f"{state} at step {status.result.get('step', 0)}"


def format_number(value: float | None) -> str:
    """Format a number with four significant digits; None becomes a dash."""
    return "–" if value is None else f"{value:.4g}"
