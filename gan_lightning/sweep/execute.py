"""gan-train -m: check all jobs, leave the finished ones, run the rest, and tell what became of each."""

from __future__ import annotations

import signal
from collections import Counter

from gan_lightning.config.compose import Composer, quote_value
from gan_lightning.run.directory import shorten_path
from gan_lightning.sweep.launcher import launch_jobs
from gan_lightning.sweep.plan import plan_sweep
from gan_lightning.sweep.report.write import try_write_report
from gan_lightning.sweep.status import JobStatus, Kind, job_statuses


def execute(composer: Composer, line: list[str]) -> int:
    """Returns the exit code: 0 if every job is finished. Raises Refused before anything is launched."""
    plan = plan_sweep(composer, line)
    composer.refuse_unwritable("sweep", [f"hydra.sweep.dir={quote_value(str(plan.folder))}"])
    stand = job_statuses(plan.folder, plan.jobs, composer)
    plan.save()
    counted = Counter(one.kind for one in stand)
    print(
        f"{len(stand)} jobs: {', '.join(f'{counted[k]} {k}' for k in Kind if counted[k])} → {shorten_path(plan.folder)}",
        flush=True,
    )
    pending = [one.job for one in stand if one.kind in (Kind.NEW, Kind.UNFINISHED, Kind.FAILED)]
    code = 1
    try:
        if pending:
            launch_jobs(composer, plan, pending)
    except KeyboardInterrupt:  # the job that ran has saved its state
        code = 128 + signal.SIGINT
    finally:
        told = job_statuses(plan.folder, plan.jobs, composer)
        print(status_table(told), flush=True)
        if page := try_write_report(plan.folder):
            print(f"\n  report  {shorten_path(page)}", flush=True)
    return 0 if all(one.kind is Kind.FINISHED for one in told) else code


def status_table(told: list[JobStatus]) -> str:
    """A line for each job, and how many are finished."""
    rows = [(describe_state(one), format_number(one.result.get("objective")), one.job.directory) for one in told]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, one in zip(rows, told, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(["", *cells, one.result.get("reason") or ""]).rstrip())
    done = sum(one.kind is Kind.FINISHED for one in told)
    rest = "" if done == len(told) else "; the same command goes on with the rest"
    return "\n".join(["", *lines, "", f"  {done} of {len(told)} finished{rest}"])


def describe_state(one: JobStatus) -> str:
    """Of one job, for a person."""
    if one.kind is Kind.NEW:
        return "never began"
    status = "running elsewhere" if one.kind is Kind.ELSEWHERE else str(one.result.get("status", "never began"))
    return f"{status} at step {one.result.get('step', 0)}"


def format_number(value: float | None) -> str:
    """Four digits, or a dash."""
    return "–" if value is None else f"{value:.4g}"
