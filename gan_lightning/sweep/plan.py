"""A command line → the jobs of a sweep: each composed, checked and rehearsed before the first begins.

A job's directory is named by its overrides alone, so the same command finds its own again: `loss=hinge,seed=0`. What a file
name can't hold, a value with `/` or a name of more than 255 bytes, is cut and marked with a hash; `sweep.json` keeps which
directory belongs to which overrides.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from gan_lightning import disk, launch
from gan_lightning.build import ranks, rehearse
from gan_lightning.check import check
from gan_lightning.config import Composer, Plain, Refused, Unwritten, one_line

LONGEST = 255  # bytes of a file's name
FEW = 20  # jobs: their check is over before a bar could be read
FILE = "sweep.json"


class Job(NamedTuple):
    """One point of the sweep."""

    overrides: list[str]
    directory: str  # within the sweep's
    plain: Plain  # its config, checked


class Plan(NamedTuple):
    """All jobs, none begun."""

    folder: Path
    line: list[str]  # as typed
    hydra: list[str]  # of these, what concerns Hydra itself
    jobs: list[Job]

    def save(self) -> None:
        """Write `sweep.json`; jobs of other commands in the same directory stay in it. Raises Refused."""
        path = self.folder / FILE
        there = recorded(self.folder) or {"jobs": []}
        own = [{"directory": job.directory, "overrides": job.overrides} for job in self.jobs]
        others = [entry for entry in there["jobs"] if entry["directory"] not in {job.directory for job in self.jobs}]
        try:
            disk.made(self.folder)
            disk.write_text(path, json.dumps({"line": self.line, "jobs": [*others, *own]}, indent=1) + "\n")
        except OSError as error:
            kind = Unwritten if error.errno in disk.FAILING else Refused
            raise kind(f"hydra.sweep.dir={self.folder}: nothing can be written here: {disk.why(error)}") from None


def recorded(folder: Path) -> Plain | None:
    """What `sweep.json` says; None: there is none, or it can't be read."""
    try:
        found: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
        whole = all(isinstance(entry["directory"], str) and list(entry["overrides"]) is not None for entry in found["jobs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def planned(composer: Composer, line: list[str]) -> Plan:
    """Every job of a command line. Raises Refused with the mistakes of all of them."""
    own = [word for o, word in zip(composer.parse(line), line, strict=True) if o.key_or_group.startswith(("hydra.", "hydra/"))]
    refuse_hydra(composer, own)
    try:
        hydra = composer.of_hydra(line)
    except Refused:  # a mistake that the jobs share: each of them tells it
        hydra = composer.of_hydra(own)
    swept = [f"{key}={value}" for key, value in (hydra["sweeper"].get("params") or {}).items()]
    words = [*swept, *(word for word in line if word not in own)]
    points = list({tuple(point): point for point in composer.jobs(words, multirun=True)}.values())
    named = {o.key_or_group for o in composer.parse(words) if o.is_sweep_override()}
    left_out = set(hydra["job"]["config"]["override_dirname"]["exclude_keys"]) - named
    jobs, folders, said = [], [], []
    rehearsals: dict[str, Refused | None] = {}  # by config, seed apart: shapes and sizes don't hang on it
    hidden = len(points) <= FEW or None  # None: where nobody looks, on what is no terminal
    for overrides in tqdm(points, "checking", disable=hidden, mininterval=1, unit="job", leave=False, file=sys.stderr):
        try:
            config = composer.compose([*own, *overrides])
            composer.refuse_new(overrides)
            plain = check(config)
            again(as_here(plain) if hydra["launcher"]["_target_"] in launch.ELSEWHERE else plain, rehearsals)
        except Refused as error:
            said.append((overrides, error.lines))
            continue
        jobs.append(Job(overrides, directory(composer.parse(overrides), left_out), plain))
        folders.append(swept_to(config, hydra["sweep"]["dir"]))
    if said:
        lines = [f"{' '.join(overrides)}: {line}" if len(points) > 1 else line for overrides, told in said for line in told]
        total = [f"{len(said)} of {len(points)} jobs are invalid, nothing was launched"] if len(points) > 1 else []
        raise Refused(*lines, *total)
    return Plan(common(folders), line, own, jobs)


def refuse_hydra(composer: Composer, own: list[str]) -> None:
    """Raises Refused for what a sweep may not ask of Hydra."""
    for override in composer.parse(own):
        if override.is_sweep_override():
            raise Refused(f"{override.input_line}: how jobs are run can't be swept; give one value")
        if override.key_or_group == "hydra.sweep.subdir":
            raise Refused(f"{override.input_line}: the directories of jobs are named by their overrides; use hydra.sweep.dir=")


def again(plain: Plain, known: dict[str, Refused | None]) -> None:
    """Rehearse what was not rehearsed before. Raises Refused."""
    key = json.dumps({k: v for k, v in plain.items() if k != "seed"}, sort_keys=True)
    if key not in known:
        known[key] = None
        try:
            rehearse(plain)
        except Refused as error:
            known[key] = error
    if (found := known[key]) is not None:
        raise found


def as_here(plain: Plain) -> Plain:
    """A config as far as this machine can try it: its GPUs and nodes are those of a cluster."""
    here = {"accelerator": "cpu", "num_nodes": 1, "devices": ranks(plain)}
    return plain | {"trainer": plain["trainer"] | here}


def directory(overrides: Iterable[Override], left_out: set[str]) -> str:
    """A file name for a job: its overrides, sorted; those of `left_out` keys are not told."""
    name = ",".join(sorted(short(o) for o in overrides if o.key_or_group not in left_out)) or "default"
    if len(name.encode()) <= LONGEST:
        return name
    mark = f"~{hashed(name)}"
    return name.encode()[: LONGEST - len(mark)].decode(errors="ignore") + mark


def short(override: Override) -> str:
    """`key=value` without a slash: of a path its last part, and a hash of the whole."""
    key, equals, value = (override.input_line or "").partition("=")
    if "/" in value:
        last = value.strip("'\"[]{}/").rpartition("/")[2]
        value = f"{last}~{hashed(value)}"
    return key.replace("/", ".") + equals + value


def hashed(text: str) -> str:
    """Eight hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def swept_to(config: DictConfig, written: str) -> str:
    """`hydra.sweep.dir` as this job sees it. Raises Refused."""
    try:
        seen = OmegaConf.merge(config, {"hydra": {"sweep": {"dir": written}}})
        return str(Path(seen.hydra.sweep.dir).expanduser())
    except Exception as error:  # whatever an interpolation raises
        raise Refused(f"hydra.sweep.dir: {one_line(error)}") from None


def common(folders: Iterable[str]) -> Path:
    """One directory for all: `multirun/ring`, or `multirun/ring+digits` if the jobs' names differ."""
    unique = [Path(folder) for folder in dict.fromkeys(folders)]
    return unique[0].with_name("+".join(path.name for path in unique)) if len(unique) > 1 else unique[0]
