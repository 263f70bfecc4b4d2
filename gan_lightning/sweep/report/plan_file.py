"""The plan of a sweep, `sweep.json`: its command line, and the directory and overrides of each job.

{"line": [arguments after gan-train -m], "jobs": [{"directory": "loss=hinge,seed=0", "overrides": ["loss=hinge", "seed=0"]}, …]}

A plan file may be damaged or written by hand, so it is validated before anything follows its directories.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from gan_lightning.storage import atomic

FILE = "sweep.json"


class PlannedJob(NamedTuple):
    """Hold the run directory, relative to the sweep's, and the overrides of one job."""

    directory: str
    overrides: list[str]


class PlanFile(NamedTuple):
    """Hold the content of a `sweep.json`."""

    line: list[str] | None  # arguments after `gan-train -m`; None: not recorded
    jobs: list[PlannedJob]


def read_plan_file(folder: Path) -> PlanFile | None:
    """Read and validate the plan of the sweep in `folder`; None if there is none.

    Raises OSError if it can't be read, ValueError if it is no plan or a directory in it is outside the sweep's.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:  # brackets nested a thousand deep
        raise ValueError(str(error)) from None
    try:
        jobs = [PlannedJob(job["directory"], job["overrides"]) for job in content["jobs"]]
        line = content.get("line")
    except (TypeError, KeyError, AttributeError):
        raise ValueError("it is no plan of a sweep") from None
    for job in jobs:
        if not isinstance(job.directory, str) or not is_string_list(job.overrides):
            raise ValueError("a job in it is none")
        if Path(job.directory).is_absolute() or ".." in Path(job.directory).parts:
            raise ValueError(f"{job.directory} is outside the sweep")
    return PlanFile(line if is_string_list(line) else None, jobs)


def write_plan_file(folder: Path, plan: PlanFile) -> None:
    """Write the plan of the sweep in `folder` atomically. Raises OSError."""
    jobs = [job._asdict() for job in plan.jobs]
    atomic.write_text(folder / FILE, json.dumps({"line": plan.line, "jobs": jobs}, indent=1) + "\n")


def is_string_list(value: Any) -> bool:
    """Return whether `value` is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
