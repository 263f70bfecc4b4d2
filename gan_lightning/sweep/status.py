"""The status of a sweep's jobs, read from their directories: whether a repeated command runs, resumes or skips each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain
from gan_lightning.config.run_config import ConfigFileError, load_resolved
from gan_lightning.run import lock
from gan_lightning.run.directory import Run
from gan_lightning.run.identity import refuse_lost_config
from gan_lightning.run.own_files import require_own_files
from gan_lightning.run.result import read_result
from gan_lightning.sweep.plan import Job
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint


class Kind(StrEnum):
    """Classify jobs by what a repeated command does: it runs the first three kinds and skips the others."""

    NEW = "new"
    UNFINISHED = "to go on with"
    FAILED = "failed before, tried again"
    FINISHED = "finished already"
    ELSEWHERE = "in the hands of another process"


class JobStatus(NamedTuple):
    """Hold a job, its kind and its result."""

    job: Job
    kind: Kind
    result: Plain  # result.json, empty if there is none


def job_status(folder: Path, job: Job, composer: Composer) -> JobStatus:
    """Return the status of a job. Raises UserError if its directory holds a run with another config or can't be read."""
    path = folder / job.directory
    if path.is_symlink():
        raise UserError(f"{path}: is a link; a job's directory lies in the sweep's own")
    require_own_files(path)
    if not (path / "config.yaml").is_file():
        refuse_lost_config(path, read_result(path))
        return JobStatus(job, Kind.NEW, {})
    run = Run(path)
    if load_config_copy(path) != job.plain and (changed := run.changes(composer.compose(job.overrides))):
        cure = f"choose another hydra.sweep.dir=, or go on with it: {run.resume_command}"
        raise UserError(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}")
    result = run.result
    if (owner := lock.read_owner(path)) is not None and owner.busy():
        kind = Kind.ELSEWHERE
    elif run.finished(job.plain["trainer"]["max_steps"], ExpectedCheckpoint(run, job.plain).find_mistake):
        kind = Kind.FINISHED
    else:
        kind = Kind.FAILED if result.get("status") == "failed" else Kind.UNFINISHED
    return JobStatus(job, kind, result)


def load_config_copy(path: Path) -> Plain | None:
    """Return a run's config.resolved.yaml, which is faster than resolving config.yaml; None if it can't be read."""
    try:
        return load_resolved(path / "config.resolved.yaml")
    except (OSError, ConfigFileError):
        return None


def job_statuses(folder: Path, jobs: list[Job], composer: Composer) -> list[JobStatus]:
    """Return the status of every job, in order. Raises UserError with the mistakes of all of them."""
    statuses: list[JobStatus] = []
    mistakes: list[str] = []
    for job in jobs:
        try:
            statuses.append(job_status(folder, job, composer))
        except UserError as error:
            mistakes += error.lines
    if mistakes:
        count = f"{len(jobs) - len(statuses)} of {len(jobs)}"
        raise UserError(*mistakes, f"nothing was launched: {count} jobs can't be gone on with")
    return statuses
