"""The plan of a sweep: a command line's jobs, each composed, validated and preflighted before the first starts.

A job's directory is named after its overrides, such as `loss=hinge,seed=0`, so that the same command finds it again. A value
with `/`, and a name of more than 255 bytes, can't be a file name: both are shortened and end in a hash. `sweep.json` maps each
directory to its overrides.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from gan_lightning.config import hydra_policy
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, WriteError, one_line
from gan_lightning.config.preflight import preflight
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.config.world_size import world_size
from gan_lightning.storage import atomic
from gan_lightning.storage.home import expand_home
from gan_lightning.sweep.report.plan_file import PlanFile, PlannedJob, read_plan_file, write_plan_file

REMOTE_LAUNCHER = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"  # its jobs run on other machines
MAX_NAME_BYTES = 255  # of a file name, on all common filesystems
MAX_JOBS_WITHOUT_BAR = 20  # their check ends before a progress bar could be read


class Job(NamedTuple):
    """Describe one point of the sweep: its overrides, its directory and its validated config."""

    overrides: list[str]
    directory: str  # relative to the sweep's folder
    plain: Plain


class Plan(NamedTuple):
    """Hold the jobs of a sweep before they are launched."""

    folder: Path
    line: list[str]  # the command line as typed
    hydra: list[str]  # the overrides among it that configure Hydra itself
    jobs: list[Job]

    def save(self) -> None:
        """Write `sweep.json`, keeping the jobs of other commands in the same folder.

        Raises UserError if the folder can't be written, WriteError if the disk fails.
        """
        directories = {job.directory for job in self.jobs}
        jobs = [planned for planned in self._saved_jobs() if planned.directory not in directories]
        jobs += [PlannedJob(directory=job.directory, overrides=job.overrides) for job in self.jobs]
        try:
            atomic.make_folder(self.folder)
            write_plan_file(self.folder, PlanFile(line=self.line, jobs=jobs))
        except OSError as error:
            kind = WriteError if error.errno in atomic.FAILING else UserError
            raise kind(f"hydra.sweep.dir={self.folder}: nothing can be written here: {atomic.reason(error)}") from None

    def _saved_jobs(self) -> list[PlannedJob]:
        try:
            saved = read_plan_file(self.folder)
        except (OSError, ValueError):  # it is replaced by a plan that can be read
            saved = None
        return saved.jobs if saved else []


def plan_sweep(composer: Composer, line: list[str]) -> Plan:
    """Return the plan of a command line's sweep. Raises UserError with the mistakes of all its jobs."""
    parsed = zip(composer.parse(line), line, strict=True)
    for_hydra = [text for override, text in parsed if override.key_or_group.startswith(("hydra.", "hydra/"))]
    refuse_hydra_overrides(composer, for_hydra)
    try:
        hydra = composer.of_hydra(line)
    except UserError:  # a mistake that all jobs share: each of them reports it below
        hydra = composer.of_hydra(for_hydra)
    swept = [*experiment_sweep(composer, hydra, line), *(text for text in line if text not in for_hydra)]
    points = list({tuple(point): point for point in composer.jobs(swept, multirun=True)}.values())
    swept_keys = {override.key_or_group for override in composer.parse(swept) if override.is_sweep_override()}
    unnamed = set(hydra["job"]["config"]["override_dirname"]["exclude_keys"]) - swept_keys
    jobs, folders, mistakes = [], [], []
    preflighted: dict[str, UserError | None] = {}
    hidden = len(points) <= MAX_JOBS_WITHOUT_BAR or None  # None: shown on a terminal only
    for overrides in tqdm(points, "checking", disable=hidden, mininterval=1, unit="job", leave=False, file=sys.stderr):
        try:
            config = composer.compose([*for_hydra, *overrides])
            composer.refuse_new(overrides)
            plain = validate(config)
            remote = hydra["launcher"]["_target_"] == REMOTE_LAUNCHER
            preflight_once(as_local(plain) if remote else plain, preflighted)
        except UserError as error:
            mistakes.append((overrides, error.lines))
            continue
        jobs.append(Job(overrides, job_directory(composer.parse(overrides), unnamed), plain))
        folders.append(sweep_folder(config, hydra["sweep"]["dir"]))
    if mistakes:
        several = len(points) > 1
        lines = [f"{' '.join(point)}: {text}" if several else text for point, texts in mistakes for text in texts]
        total = [f"{len(mistakes)} of {len(points)} jobs are invalid, nothing was launched"] if several else []
        raise UserError(*lines, *total)
    return Plan(common_folder(folders), line, for_hydra, jobs)


def experiment_sweep(composer: Composer, hydra: Plain, line: list[str]) -> list[str]:
    """Return the `hydra.sweeper.params` of an experiment as overrides, without the keys that are typed. Raises UserError."""
    texts = [f"{key}={value}" for key, value in (hydra["sweeper"].get("params") or {}).items()]
    typed, parsed = {override.key_or_group for override in composer.parse(line)}, composer.parse(texts)
    if wrong := [text for override, text in zip(parsed, texts, strict=True) if hydra_policy.concerns_hydra(override)]:
        raise UserError(*(f"hydra.sweeper.params: {text}: how jobs are run is typed, not swept by a file" for text in wrong))
    return [text for override, text in zip(parsed, texts, strict=True) if override.key_or_group not in typed]


def refuse_hydra_overrides(composer: Composer, overrides: list[str]) -> None:
    """Reject what a sweep can't change in Hydra's own config. Raises UserError for a swept key or hydra.sweep.subdir."""
    for override in composer.parse(overrides):
        if override.is_sweep_override():
            raise UserError(f"{override.input_line}: how jobs are run can't be swept; give one value")
        if override.key_or_group == "hydra.sweep.subdir":
            raise UserError(
                f"{override.input_line}: the directories of jobs are named by their overrides; use hydra.sweep.dir="
            )


def preflight_once(plain: Plain, cache: dict[str, UserError | None]) -> None:
    """Preflight a config unless `cache` holds the result of one that differs in the seed only. Raises UserError.

    No shape or size depends on the seed.
    """
    key = json.dumps({k: v for k, v in plain.items() if k != "seed"}, sort_keys=True)
    if key not in cache:
        cache[key] = None
        try:
            preflight(plain)
        except UserError as error:
            cache[key] = error
    if (mistake := cache[key]) is not None:
        raise mistake


def as_local(plain: Plain) -> Plain:
    """Return a cluster job's config as this machine can preflight it: on the CPU of one node, with as many processes."""
    local = {"accelerator": "cpu", "num_nodes": 1, "devices": world_size(plain)}
    return plain | {"trainer": plain["trainer"] | local}


def job_directory(overrides: Iterable[Override], unnamed: set[str]) -> str:
    """Return a job's directory name: its overrides, sorted, except those of `unnamed` keys; `default` without any."""
    name = ",".join(sorted(short_override(o) for o in overrides if o.key_or_group not in unnamed)) or "default"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = f"~{short_hash(name)}"
    return name.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def short_override(override: Override) -> str:
    """Return `key=value` without a slash: a value with one is shortened to its last part and a hash of the full value."""
    key, equals, value = (override.input_line or "").partition("=")
    if "/" in value:
        last = value.strip("'\"[]{}/").rpartition("/")[2]
        value = f"{last}~{short_hash(value)}"
    return key.replace("/", ".") + equals + value


def short_hash(text: str) -> str:
    """Return the first eight hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def sweep_folder(config: DictConfig, template: str) -> str:
    """Return `hydra.sweep.dir` with its interpolations resolved in a job's config. Raises UserError if it is empty or fails."""
    if not template:
        raise UserError("hydra.sweep.dir=: empty; give a folder")
    try:
        merged = OmegaConf.merge(config, {"hydra": {"sweep": {"dir": template}}})
        return str(expand_home(merged.hydra.sweep.dir))
    except Exception as error:  # an interpolation can raise anything
        raise UserError(f"hydra.sweep.dir: {one_line(error)}") from None


def common_folder(folders: Iterable[str]) -> Path:
    """Return one folder for all jobs: `multirun/ring`, or `multirun/ring+digits` if the jobs' names differ."""
    unique = [Path(folder) for folder in dict.fromkeys(folders)]
    return unique[0].with_name("+".join(path.name for path in unique)) if len(unique) > 1 else unique[0]
