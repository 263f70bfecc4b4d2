"""Where a job stands, as its directory tells: what a repeat of the command has to do with it, and what a table says of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import yaml

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain, load_resolved
from gan_lightning.run import lock
from gan_lightning.run.directory import Run
from gan_lightning.sweep.plan import Job


class Kind(StrEnum):
    """What a repeat of the command does."""

    NEW = "new"
    UNFINISHED = "to go on with"
    FAILED = "failed before, tried again"
    FINISHED = "finished already"
    ELSEWHERE = "in the hands of another process"


class JobStatus(NamedTuple):
    """A job, and where it stands."""

    job: Job
    kind: Kind
    result: Plain  # result.json, empty if there is none


def job_status(folder: Path, job: Job, composer: Composer) -> JobStatus:
    """Where it stands. Raises UserError if its directory holds a run with another config, or one that can't be read."""
    path = folder / job.directory
    if not (path / "config.yaml").is_file():
        return JobStatus(job, Kind.NEW, {})
    run = Run(path)
    if load_known_config(path) != job.plain and (changed := run.changes(composer.compose(job.overrides))):
        cure = f"choose another hydra.sweep.dir=, or go on with it: gan-train run={path}"
        raise UserError(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}")
    result = run.result
    if (other := lock.read_owner(path)) is not None and other.busy():
        kind = Kind.ELSEWHERE
    elif run.finished(job.plain["trainer"]["max_steps"]):
        kind = Kind.FINISHED
    else:
        kind = Kind.FAILED if result.get("status") == "failed" else Kind.UNFINISHED
    return JobStatus(job, kind, result)


def load_known_config(path: Path) -> Plain | None:
    """The resolved config beside a run's own; None: it can't be read. Quicker than to resolve it again."""
    try:
        return load_resolved(path / "config.resolved.yaml")
    except (OSError, yaml.YAMLError):
        return None


def job_statuses(folder: Path, jobs: list[Job], composer: Composer) -> list[JobStatus]:
    """Where all of them stand. Raises UserError with the mistakes of all."""
    found: list[JobStatus] = []
    said: list[str] = []
    for job in jobs:
        try:
            found.append(job_status(folder, job, composer))
        except UserError as error:
            said += error.lines
    if said:
        raise UserError(*said, f"nothing was launched: {len(jobs) - len(found)} of {len(jobs)} jobs can't be gone on with")
    return found
