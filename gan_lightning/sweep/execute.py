"""gan-train -m: check all jobs, leave the finished ones, run the rest, and tell what became of each."""

from __future__ import annotations

import signal
from collections import Counter

from gan_lightning.config.compose import Composer, quoted
from gan_lightning.sweep.launcher import launch
from gan_lightning.sweep.plan import planned
from gan_lightning.sweep.report.write import reported
from gan_lightning.sweep.status import Kind, Standing, standings
from gan_lightning.training.summary import shown


def sweep(composer: Composer, line: list[str]) -> int:
    """Returns the exit code: 0 if every job is finished. Raises Refused before anything is launched."""
    plan = planned(composer, line)
    composer.refuse_unwritable("sweep", [f"hydra.sweep.dir={quoted(str(plan.folder))}"])
    stand = standings(plan.folder, plan.jobs, composer)
    plan.save()
    counted = Counter(one.kind for one in stand)
    print(f"{len(stand)} jobs: {', '.join(f'{counted[k]} {k}' for k in Kind if counted[k])} → {shown(plan.folder)}", flush=True)
    pending = [one.job for one in stand if one.kind in (Kind.NEW, Kind.UNFINISHED, Kind.FAILED)]
    code = 1
    try:
        if pending:
            launch(composer, plan, pending)
    except KeyboardInterrupt:  # the job that ran has saved its state
        code = 128 + signal.SIGINT
    finally:
        told = standings(plan.folder, plan.jobs, composer)
        print(table(told), flush=True)
        if page := reported(plan.folder):
            print(f"\n  report  {shown(page)}", flush=True)
    return 0 if all(one.kind is Kind.FINISHED for one in told) else code


def table(told: list[Standing]) -> str:
    """A line for each job, and how many are finished."""
    rows = [(state(one), number(one.result.get("objective")), one.job.directory) for one in told]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, one in zip(rows, told, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(["", *cells, one.result.get("reason") or ""]).rstrip())
    done = sum(one.kind is Kind.FINISHED for one in told)
    rest = "" if done == len(told) else "; the same command goes on with the rest"
    return "\n".join(["", *lines, "", f"  {done} of {len(told)} finished{rest}"])


def state(one: Standing) -> str:
    """Of one job, for a person."""
    if one.kind is Kind.NEW:
        return "never began"
    status = "running elsewhere" if one.kind is Kind.ELSEWHERE else str(one.result.get("status", "never began"))
    return f"{status} at step {one.result.get('step', 0)}"


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    return "–" if value is None else f"{value:.4g}"
