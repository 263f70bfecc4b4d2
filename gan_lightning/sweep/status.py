"""Where a job stands, as its directory tells: what a repeat of the command has to do with it, and what a table says of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import yaml

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import Refused
from gan_lightning.config.resolve import Plain, stored
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


class Standing(NamedTuple):
    """A job, and where it stands."""

    job: Job
    kind: Kind
    result: Plain  # result.json, empty if there is none


def standing(folder: Path, job: Job, composer: Composer) -> Standing:
    """Where it stands. Raises Refused if its directory holds a run with another config, or one that can't be read."""
    path = folder / job.directory
    if not (path / "config.yaml").is_file():
        return Standing(job, Kind.NEW, {})
    run = Run(path)
    if known(path) != job.plain and (changed := run.changes(composer.compose(job.overrides))):
        cure = f"choose another hydra.sweep.dir=, or go on with it: gan-train run={path}"
        raise Refused(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}")
    result = run.result
    if (other := lock.recorded(path)) is not None and other.busy():
        kind = Kind.ELSEWHERE
    elif run.finished(job.plain["trainer"]["max_steps"]):
        kind = Kind.FINISHED
    else:
        kind = Kind.FAILED if result.get("status") == "failed" else Kind.UNFINISHED
    return Standing(job, kind, result)


def known(path: Path) -> Plain | None:
    """The resolved config beside a run's own; None: it can't be read. Quicker than to resolve it again."""
    try:
        return stored(path / "config.resolved.yaml")
    except (OSError, yaml.YAMLError):
        return None


def standings(folder: Path, jobs: list[Job], composer: Composer) -> list[Standing]:
    """Where all of them stand. Raises Refused with the mistakes of all."""
    found: list[Standing] = []
    said: list[str] = []
    for job in jobs:
        try:
            found.append(standing(folder, job, composer))
        except Refused as error:
            said += error.lines
    if said:
        raise Refused(*said, f"nothing was launched: {len(jobs) - len(found)} of {len(jobs)} jobs can't be gone on with")
    return found
