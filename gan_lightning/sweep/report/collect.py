"""What a sweep directory holds, read for a report: no weights, and nothing that can't be read ends it.

    <sweep>/sweep.json     {"line": [words after gan-train -m], "jobs": [{"directory": …, "overrides": […]}]}
    <sweep>/<directory>/   a run directory each (see gan_lightning/run.py), or none yet

Without a sweep.json, each folder below with a config.yaml is a job. A run directory is a sweep of one.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain, load_resolved
from gan_lightning.sweep.report.curves import Curve, read_curves

STATUSES = ("finished", "failed", "stopped", "preempted", "running")
NEVER, UNKNOWN = "never started", "unknown"
DEFAULT = "(default)"  # the value of a key that a job does not give
COMMAS = re.compile(r",(?=[^,\[\]{}]+=)(?![^\[{]*[\]}])")  # between the overrides in a folder's name
PICTURE = re.compile(r"step=(\d+)\.png")


@dataclass
class Job:
    """One run of a sweep: what it was asked for and what came of it."""

    directory: str
    path: Path
    overrides: list[str]
    status: str = NEVER
    reason: str | None = None
    step: int = 0
    seconds: float = 0.0
    objective: float | None = None
    best: tuple[int, float] | None = None  # step, objective
    metrics: dict[str, float | None] = field(default_factory=dict)
    compared: tuple[str, bool] | None = None  # the objective's name, and whether more of it is better
    alarms: list[tuple[int, str, str]] = field(default_factory=list)  # step, name, message
    commit: str | None = None
    seed: str = ""
    images_per_step: int | None = None  # real samples that D sees in one iteration, over all processes
    curves: dict[str, Curve] = field(default_factory=dict)
    pictures: dict[int, Path] = field(default_factory=dict)  # step → the samples' picture
    began: float | None = None  # seconds since the epoch
    ended: float | None = None
    damage: list[str] = field(default_factory=list)  # what could not be read
    guessed: bool = False  # the overrides are those in its folder's name, which leaves some out

    @property
    def finished(self) -> bool:
        """Whether it went to its end, by its steps or by its own rule."""
        return self.status == "finished"

    @property
    def given(self) -> dict[str, str]:
        """Key → value of its overrides."""
        return dict(split_override(word) for word in self.overrides)


@dataclass
class Sweep:
    """All jobs, and what is varied between them."""

    path: Path
    line: list[str] | None  # None: not known
    jobs: list[Job]
    damage: list[str]

    @property
    def factors(self) -> list[str]:
        """The keys whose values differ between jobs, the seed apart."""
        given = [job.given for job in self.jobs]
        keys = dict.fromkeys(key for values in given for key in values if key != "seed" and not key.startswith("hydra."))
        known = [values for job, values in zip(self.jobs, given, strict=True) if not job.guessed]

        def taken(key: str) -> set[str]:
            return {values.get(key, DEFAULT) for values in known} | {values[key] for values in given if key in values}

        return [key for key in keys if len(taken(key)) > 1]

    @property
    def compared(self) -> tuple[str, bool] | None:
        """The objective and its direction, where all runs that say so say the same."""
        said = {job.compared for job in self.jobs if job.compared}
        return next(iter(said)) if len(said) == 1 else None


def collect(path: Path) -> Sweep:
    """Read a sweep, or a single run. Raises UserError if there is no run in it."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise UserError(f"run={path}: no sweep directory; it {what}")
    damage: list[str] = []
    line: list[str] | None = None
    asked: list[tuple[str, list[str] | None]] | None = None
    if (path / "config.yaml").is_file():
        asked = [("", None)]
    elif (path / "sweep.json").exists():
        try:
            line, asked = parse_plan(json.loads((path / "sweep.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            damage.append(f"sweep.json can't be read: {one_line(error)}")
    if asked is None:
        asked = [(directory, None) for directory in sorted(find_run_dirs(path))]
    if not asked:
        raise UserError(f"run={path}: no runs in it; give the folder of a sweep, or of a run")
    return Sweep(path, line, [read_job(path, directory, overrides) for directory, overrides in asked], damage)


def parse_plan(said: Any) -> tuple[list[str] | None, list[tuple[str, list[str] | None]]]:
    """A sweep.json as its line and its jobs. Raises ValueError."""
    try:
        jobs = [(job["directory"], job["overrides"]) for job in said["jobs"]]
        line = said.get("line")
    except (TypeError, KeyError, AttributeError):
        raise ValueError("it is no plan of a sweep") from None
    for directory, overrides in jobs:
        if not isinstance(directory, str) or not is_word_list(overrides):
            raise ValueError("a job in it is none")
        if Path(directory).is_absolute() or ".." in Path(directory).parts:
            raise ValueError(f"{directory} lies outside the sweep")
    return (line if is_word_list(line) else None), jobs


def is_word_list(said: Any) -> bool:
    """Whether this is a list of words."""
    return isinstance(said, list) and all(isinstance(word, str) for word in said)


def find_run_dirs(path: Path) -> Iterator[str]:
    """The run directories in a folder, wherever they lie; none lies in another."""
    for folder, inner, files in os.walk(path):
        if "config.yaml" in files:
            inner.clear()
            yield os.path.relpath(folder, path)
        else:
            inner[:] = sorted(name for name in inner if not name.startswith("."))


def split_override(word: str) -> tuple[str, str]:
    """An override as key and value: +key=value, key=value, ~key."""
    key, equals, value = word.partition("=")
    if key.startswith("~"):
        return key[1:], "removed"
    return key.lstrip("+"), value if equals else ""


def read_job(sweep: Path, directory: str, overrides: Sequence[str] | None) -> Job:
    """One job; what can't be read of it is told in `damage`."""
    path = sweep / directory if directory else sweep
    job = Job(directory or path.resolve().name, path, list(overrides or []))
    try:
        began = (path / "config.yaml").stat().st_mtime
    except OSError:
        job.seed = job.given.get("seed", "")
        return job
    job.status, job.began = UNKNOWN, began
    result = _result(job)
    if not overrides:
        said: Any = result.get("overrides")
        job.guessed = not is_word_list(said)
        job.overrides = [w for w in COMMAS.split(job.directory) if "=" in w] if job.guessed else list(said)
    _config(job)
    try:
        job.curves = read_curves(path)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        job.damage.append(f"what it logged can't be read: {one_line(error)}")
    try:
        named = ((PICTURE.fullmatch(entry.name), entry.path) for entry in os.scandir(path / "samples"))
        job.pictures = {int(m[1]): Path(where) for m, where in named if m}
    except OSError:
        pass
    return job


def _result(job: Job) -> Plain:
    path = job.path / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        job.ended = path.stat().st_mtime
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
    at, best = finite_number(result.get("best_step")), finite_number(result.get("best_objective"))
    job.best = None if at is None or best is None else (int(at), best)
    metrics = result.get("metrics")
    job.metrics = {str(k): finite_number(v) for k, v in metrics.items()} if isinstance(metrics, dict) else {}
    if isinstance(compared, dict) and isinstance(compared.get("by"), str) and isinstance(compared.get("higher"), bool):
        job.compared = compared["by"], compared["higher"]
    alarms = result.get("alarms")
    for alarm in alarms if isinstance(alarms, list) else []:
        if isinstance(alarm, dict):
            job.alarms.append((int(finite_number(alarm.get("step")) or 0), str(alarm.get("name")), str(alarm.get("message"))))
    made = result.get("provenance")
    if isinstance(made, dict) and isinstance(made.get("commit"), str):
        job.commit = made["commit"][:12] + (" with changes" if made.get("dirty") else "")
    return result


def _config(job: Job) -> None:
    job.seed = job.given.get("seed", "")
    try:
        plain = load_resolved(job.path / "config.resolved.yaml")
        job.seed = job.seed or str(plain["seed"])
        job.images_per_step = int(plain["data"]["batch_size"]) * int(plain["gan"]["d_steps_per_g_step"]) * processes(plain)
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, RecursionError) as error:
        job.damage.append(f"config.resolved.yaml can't be read: {one_line(error)}")


def processes(plain: Mapping[str, Any]) -> int:
    """How many trained together, as `build.ranks` says it without torch."""
    devices, nodes = plain["trainer"].get("devices", 1), plain["trainer"].get("num_nodes", 1)
    return (devices if isinstance(devices, int) and devices > 0 else len(devices) if isinstance(devices, list) else 1) * nodes


def finite_number(said: Any) -> float | None:
    """A finite number, or None."""
    ok = isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e300 and math.isfinite(said)
    return float(said) if ok else None
