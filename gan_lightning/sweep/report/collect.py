"""The runs of a sweep, read from their directories for a report: no checkpoints, and damaged files are noted, not fatal.

Text from the files is made printable here, once, for the page and all tables. Nothing is read of a run whose directory holds a
link that leads outside, or anything but files and folders.

    <sweep>/sweep.json     the plan, see plan_file.py
    <sweep>/<directory>/   a run directory for each job, see gan_lightning/run/directory.py; missing until the job starts

Without a sweep.json, each folder below with a config.yaml is a job. A single run directory is read as a sweep of one job.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.run_config import load_resolved
from gan_lightning.config.world_size import world_size
from gan_lightning.run.result import FILE, Result, load_result
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import data_file_error, require_plain_folder
from gan_lightning.storage.printable import printable
from gan_lightning.sweep.report.curves import Curve, read_curves
from gan_lightning.sweep.report.plan_file import read_plan_file

NEVER, UNKNOWN = "never started", "unknown"
DEFAULT = "(default)"  # the value of a factor that a job does not override
OVERRIDE_COMMA = re.compile(r",(?=[^,\[\]{}]+=)(?![^\[{]*[\]}])")  # between the overrides in a directory's name
PICTURE = re.compile(r"step=(\d+)\.png")


class Criterion(NamedTuple):
    """Name the metric that runs are compared by, and whether more of it is better."""

    name: str
    maximize: bool


@dataclass
class Job:
    """Hold what one run of a sweep was configured with and what it reached."""

    directory: str
    path: Path
    overrides: list[str]
    status: str = NEVER
    reason: str | None = None
    step: int = 0
    seconds: float = 0.0
    objective: float | None = None
    best: tuple[int, float] | None = None  # (step, objective)
    metrics: dict[str, float | None] = field(default_factory=dict)
    criterion: Criterion | None = None
    alarms: list[tuple[int, str, str]] = field(default_factory=list)  # (step, name, message)
    commit: str | None = None
    seed: str = ""
    threads: int | None = None  # that it computed with
    images_per_step: int | None = None  # real samples that D sees in one iteration, over all processes
    curves: dict[str, Curve] = field(default_factory=dict)
    pictures: dict[int, Path] = field(default_factory=dict)  # step → picture of the samples
    started_at: float | None = None  # seconds since the epoch
    ended_at: float | None = None
    damage: list[str] = field(default_factory=list)  # one message for each file that can't be read
    inferred: bool = False  # the overrides are taken from the directory's name, which leaves some out

    @property
    def finished(self) -> bool:
        """Return whether the run reached its last step or was ended as finished by a callback."""
        return self.status == "finished"

    @property
    def values(self) -> dict[str, str]:
        """Return key → value of the overrides."""
        return dict(split_override(override) for override in self.overrides)


MAX_FACTORS = 50  # columns of a table; what somebody else wrote may name a million


@dataclass
class Sweep:
    """Hold all jobs of a sweep; its properties are what varies and what the jobs are compared by."""

    path: Path
    line: list[str] | None  # arguments after `gan-train -m`; None: unknown
    jobs: list[Job]
    damage: list[str]

    @property
    def factors(self) -> list[str]:
        """Return the keys whose values differ between jobs, without the seed; of more than MAX_FACTORS the first ones."""
        return self.varied[:MAX_FACTORS]

    @cached_property
    def varied(self) -> list[str]:
        """Return all keys whose values differ between jobs, without the seed."""
        levels: dict[str, set[str]] = {}
        set_in: Counter[str] = Counter()  # key → in how many jobs whose other values are known to be defaults
        for job in self.jobs:
            for key, value in job.values.items():
                if key != "seed" and not key.startswith("hydra."):
                    levels.setdefault(key, set()).add(value)
                    set_in[key] += not job.inferred
        complete = sum(not job.inferred for job in self.jobs)
        return [key for key, found in levels.items() if len(found | ({DEFAULT} if set_in[key] < complete else set())) > 1]

    @property
    def criterion(self) -> Criterion | None:
        """Return the criterion that all jobs with one share; None if they differ or none has one."""
        criteria = {job.criterion for job in self.jobs if job.criterion}
        return next(iter(criteria)) if len(criteria) == 1 else None


def collect(path: Path) -> Sweep:
    """Read a sweep, or a single run as a sweep of one. Raises UserError if there is no run in it."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise UserError(f"run={path}: no sweep directory; it {what}")
    damage: list[str] = []
    line: list[str] | None = None
    entries: Sequence[tuple[str, list[str] | None]] | None = None
    if (path / "config.yaml").is_file():
        entries = [("", None)]
    else:
        try:
            if (plan := read_plan_file(path)) is not None:
                line = None if plan.line is None else list(map(printable, plan.line))
                entries = [(job.directory, job.overrides) for job in plan.jobs]
        except OSError as error:
            damage.append(printable(f"sweep.json can't be read: {atomic.reason(error)}"))
    if entries is None:
        entries = [(directory, None) for directory in sorted(find_run_dirs(path))]
    if not entries:
        raise UserError(f"run={path}: no runs in it; give the folder of a sweep, or of a run")
    sweep = Sweep(path, line, [read_job(path, directory, overrides) for directory, overrides in entries], damage)
    if len(sweep.varied) > MAX_FACTORS:
        damage.append(f"{len(sweep.varied)} keys vary between its jobs; the first {MAX_FACTORS} are compared")
    return sweep


def find_run_dirs(path: Path) -> Iterator[str]:
    """Yield the run directories below `path`, relative to it; links and run directories are not searched for others."""
    waiting = [str(path)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as iterator:
                found = list(iterator)
        except OSError:
            continue
        if any(entry.name == "config.yaml" for entry in found):
            yield os.path.relpath(folder, path)
        else:
            waiting += [e.path for e in found if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]


def split_override(override: str) -> tuple[str, str]:
    """Split `key=value`, `+key=value` or `++key=value` into key and value; `~key` has the value "removed"."""
    key, equals, value = override.partition("=")
    if key.startswith("~"):
        return key[1:], "removed"
    return key.lstrip("+"), value if equals else ""


def read_job(sweep: Path, directory: str, overrides: Sequence[str] | None) -> Job:
    """Read one job; what can't be read is described in its `damage`. Without `overrides`, those of result.json count."""
    path = sweep / directory if directory else sweep
    job = Job(printable(directory or path.resolve().name), path, list(map(printable, overrides or [])))
    job.seed = job.values.get("seed", "")
    try:
        if directory and path.is_symlink():
            raise data_file_error(path, "is a link")
        require_plain_folder(path)
        job.started_at = (path / "config.yaml").stat().st_mtime
    except FileNotFoundError:
        return job
    except OSError as error:
        job.status = UNKNOWN
        job.damage.append(printable(f"{os.path.relpath(error.filename, sweep)} {atomic.reason(error)}"))
        return job
    job.status = UNKNOWN
    result = _read_result(job)
    if not overrides:
        job.inferred = "overrides" not in result.model_fields_set
        in_name = [part for part in OVERRIDE_COMMA.split(job.directory) if "=" in part]
        job.overrides = in_name if job.inferred else list(map(printable, result.overrides))
    _read_config(job, result)
    try:
        job.curves = {printable(tag): curve for tag, curve in read_curves(path).items()}
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        job.damage.append(f"what it logged can't be read: {one_line(error)}")
    try:
        matches = ((PICTURE.fullmatch(entry.name), entry.path) for entry in os.scandir(path / "samples"))
        job.pictures = {int(match[1]): Path(file) for match, file in matches if match}
    except OSError:
        pass
    return job


def _read_result(job: Job) -> Result:
    """Fill the job's fields from result.json, and return its content; an empty one if it is damaged."""
    try:
        result, _ = load_result(job.path)
        job.ended_at = (job.path / FILE).stat().st_mtime
    except OSError as error:
        job.damage.append(printable(f"{FILE} can't be read: {atomic.reason(error)}"))
        return Result()
    job.status, job.step, job.seconds = result.status or UNKNOWN, result.step, result.seconds
    job.reason = None if result.reason is None else printable(result.reason)
    job.objective, job.threads = result.objective, result.threads
    if result.best_step is not None and result.best_objective is not None:
        job.best = result.best_step, result.best_objective
    job.metrics = {printable(name): value for name, value in result.metrics.items()}
    if result.compared is not None:
        job.criterion = Criterion(printable(result.compared.by), result.compared.higher)
    job.alarms = [(alarm.step, printable(alarm.name), printable(alarm.message)) for alarm in result.alarms]
    if result.provenance is not None and result.provenance.commit is not None:
        job.commit = printable(result.provenance.commit[:12]) + (" with changes" if result.provenance.dirty else "")
    return result


def _read_config(job: Job, result: Result) -> None:
    """Fill the job's seed and images per step from config.resolved.yaml."""
    job.seed = job.values.get("seed", "")
    try:
        plain = load_resolved(job.path / "config.resolved.yaml")
        job.seed = job.seed or printable(str(plain["seed"]))
        processes = result.processes or world_size(plain)  # `devices: auto` depends on the machine
        images = int(plain["data"]["batch_size"]) * int(plain["gan"]["d_steps_per_g_step"]) * processes
        if not 0 < images < 2**53:
            raise ValueError("its numbers of samples are none")
        job.images_per_step = images
    except Exception as error:  # a damaged file may hold anything at these keys
        job.damage.append(f"config.resolved.yaml can't be read: {one_line(error)}")
