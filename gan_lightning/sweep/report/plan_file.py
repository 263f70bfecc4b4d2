"""The plan of a sweep, `sweep.json`: its command line, and the directory and overrides of each job.

{"line": [arguments after gan-train -m], "jobs": [{"directory": "loss=hinge,seed=0", "overrides": ["loss=hinge", "seed=0"]}, …]}

A plan file may be damaged or written by somebody else, so it is validated before anything follows its directories.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gan_lightning.storage import atomic
from gan_lightning.storage.data_model import DataModel, read_model

FILE = "sweep.json"
TRIALS = "trials/"  # of a search, in which the directories of its runs lie


def require_inner(directory: str) -> str:
    """Return the name of a run directory in the sweep's. Raises ValueError for one that may be anywhere else."""
    name = directory.removeprefix(TRIALS)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{directory} is outside the sweep; a job's directory is a name without a /")
    return directory


class PlannedJob(DataModel):
    """Hold the run directory, relative to the sweep's, and the overrides of one job."""

    directory: Annotated[str, AfterValidator(require_inner)]
    overrides: Annotated[list[str], Field(fail_fast=True)]


class PlanFile(DataModel):
    """Hold the content of a `sweep.json`."""

    line: list[str] | None = None  # arguments after `gan-train -m`; None: not recorded
    jobs: Annotated[list[PlannedJob], Field(fail_fast=True)]


def read_plan_file(folder: Path) -> PlanFile | None:
    """Return the plan of the sweep in `folder`; None if there is none.

    Raises OSError if it can't be read, if it is no plan, or if a directory in it is outside the sweep's.
    """
    try:
        return read_model(folder / FILE, PlanFile)[0]
    except FileNotFoundError:
        return None


def write_plan_file(folder: Path, plan: PlanFile) -> None:
    """Write the plan of the sweep in `folder` atomically. Raises OSError."""
    atomic.write_text(folder / FILE, plan.model_dump_json(indent=1) + "\n")
