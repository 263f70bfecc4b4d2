"""The runs of a sweep, read from their directories for a report: no checkpoints, and damaged files are noted, not fatal.

    <sweep>/sweep.json     the plan, see plan_file.py
    <sweep>/<directory>/   a run directory for each job, see gan_lightning/run/directory.py; missing until the job starts

Without a sweep.json, each folder below with a config.yaml is a job. A single run directory is read as a sweep of one job.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain, load_resolved
from gan_lightning.config.world_size import world_size
from gan_lightning.sweep.report.curves import Curve, read_curves
from gan_lightning.sweep.report.plan_file import is_string_list, read_plan_file

STATUSES = ("finished", "failed", "stopped", "preempted", "running")
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


@dataclass
class Sweep:
    """Hold all jobs of a sweep; its properties are what varies and what the jobs are compared by."""

    path: Path
    line: list[str] | None  # arguments after `gan-train -m`; None: unknown
    jobs: list[Job]
    damage: list[str]

    @property
    def factors(self) -> list[str]:
        """Return the keys whose values differ between jobs, without the seed."""
        values = [job.values for job in self.jobs]
        keys = dict.fromkeys(key for of_job in values for key in of_job if key != "seed" and not key.startswith("hydra."))
        complete = [of_job for job, of_job in zip(self.jobs, values, strict=True) if not job.inferred]

        def levels(key: str) -> set[str]:
            return {of_job.get(key, DEFAULT) for of_job in complete} | {of_job[key] for of_job in values if key in of_job}

        return [key for key in keys if len(levels(key)) > 1]

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
                line, entries = plan
        except (OSError, ValueError) as error:
            damage.append(f"sweep.json can't be read: {one_line(error)}")
    if entries is None:
        entries = [(directory, None) for directory in sorted(find_run_dirs(path))]
    if not entries:
        raise UserError(f"run={path}: no runs in it; give the folder of a sweep, or of a run")
    return Sweep(path, line, [read_job(path, directory, overrides) for directory, overrides in entries], damage)


def find_run_dirs(path: Path) -> Iterator[str]:
    """Yield the run directories below `path`, relative to it; run directories are not searched for others."""
    for folder, subfolders, files in os.walk(path):
        if "config.yaml" in files:
            subfolders.clear()
            yield os.path.relpath(folder, path)
        else:
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))


def split_override(override: str) -> tuple[str, str]:
    """Split `key=value`, `+key=value` or `++key=value` into key and value; `~key` has the value "removed"."""
    key, equals, value = override.partition("=")
    if key.startswith("~"):
        return key[1:], "removed"
    return key.lstrip("+"), value if equals else ""


def read_job(sweep: Path, directory: str, overrides: Sequence[str] | None) -> Job:
    """Read one job; what can't be read is described in its `damage`. Without `overrides`, those of result.json count."""
    path = sweep / directory if directory else sweep
    job = Job(directory or path.resolve().name, path, list(overrides or []))
    try:
        started_at = (path / "config.yaml").stat().st_mtime
    except OSError:
        job.seed = job.values.get("seed", "")
        return job
    job.status, job.started_at = UNKNOWN, started_at
    result = _read_result(job)
    if not overrides:
        recorded: Any = result.get("overrides")
        job.inferred = not is_string_list(recorded)
        in_name = [part for part in OVERRIDE_COMMA.split(job.directory) if "=" in part]
        job.overrides = in_name if job.inferred else list(recorded)
    _read_config(job, result)
    try:
        job.curves = read_curves(path)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        job.damage.append(f"what it logged can't be read: {one_line(error)}")
    try:
        matches = ((PICTURE.fullmatch(entry.name), entry.path) for entry in os.scandir(path / "samples"))
        job.pictures = {int(match[1]): Path(file) for match, file in matches if match}
    except OSError:
        pass
    return job


def _read_result(job: Job) -> Plain:
    """Fill the job's fields from result.json, whose values may be of any type; return its content, empty if damaged."""
    path = job.path / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        job.ended_at = path.stat().st_mtime
        if not isinstance(result, dict):
            raise ValueError("it is no result")
    except (OSError, ValueError, RecursionError) as error:
        job.damage.append(f"result.json can't be read: {one_line(error)}")
        return {}
    status, reason, compared = result.get("status"), result.get("reason"), result.get("compared")
    job.status = status if status in STATUSES else UNKNOWN
    job.reason = None if reason is None else str(reason)
    job.step, job.seconds = int(finite_number(result.get("step")) or 0), finite_number(result.get("seconds")) or 0.0
    job.objective = finite_number(result.get("objective"))
    job.threads = int(finite_number(result.get("threads")) or 0) or None
    best_step, best = finite_number(result.get("best_step")), finite_number(result.get("best_objective"))
    job.best = None if best_step is None or best is None else (int(best_step), best)
    metrics = result.get("metrics")
    job.metrics = {str(k): finite_number(v) for k, v in metrics.items()} if isinstance(metrics, dict) else {}
    if isinstance(compared, dict) and isinstance(compared.get("by"), str) and isinstance(compared.get("higher"), bool):
        job.criterion = Criterion(compared["by"], compared["higher"])
    alarms = result.get("alarms")
    for alarm in alarms if isinstance(alarms, list) else []:
        if isinstance(alarm, dict):
            job.alarms.append((int(finite_number(alarm.get("step")) or 0), str(alarm.get("name")), str(alarm.get("message"))))
    provenance = result.get("provenance")
    if isinstance(provenance, dict) and isinstance(provenance.get("commit"), str):
        job.commit = provenance["commit"][:12] + (" with changes" if provenance.get("dirty") else "")
    return result


def _read_config(job: Job, result: Plain) -> None:
    """Fill the job's seed and images per step from config.resolved.yaml."""
    job.seed = job.values.get("seed", "")
    try:
        plain = load_resolved(job.path / "config.resolved.yaml")
        job.seed = job.seed or str(plain["seed"])
        processes = int(finite_number(result.get("processes")) or world_size(plain))  # `devices: auto` depends on the machine
        job.images_per_step = int(plain["data"]["batch_size"]) * int(plain["gan"]["d_steps_per_g_step"]) * processes
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, RecursionError) as error:
        job.damage.append(f"config.resolved.yaml can't be read: {one_line(error)}")


def finite_number(value: Any) -> float | None:
    """Return `value` as a float if it is a finite number below 1e300 in magnitude, else None."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    return float(value) if ok else None
