"""One run directory: the config that was asked for, and what came of it.

config.yaml            the composed config, interpolations kept
config.resolved.yaml   the same with all of them resolved
result.json            status, step, scores, provenance
data.json.gz           the fingerprint of the data, unless the config says all of them
checkpoints/           step=00000500.ckpt …
samples/               step=00000500.png …
events.out.tfevents.…  TensorBoard
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.errors import UserError, WriteError, one_line
from gan_lightning.config.resolve import Plain, differences, resolve, settled
from gan_lightning.distributed.stopping import Preempted
from gan_lightning.run import checkpoints, lock, stored_config
from gan_lightning.run.checkpoints import FindMistake, damage
from gan_lightning.run.identity import new_id, refuse_lost_config
from gan_lightning.run.own_files import require_own_files
from gan_lightning.run.result import finite, read_result
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable

OWN_FILES = re.compile(
    r"config(\.resolved)?\.yaml|result\.json|data\.json\.gz|\.lock\.owner|step=\d+\.ckpt|probe"
)  # written by the lock's holder
UNCOMPARED = ("name", "debug")  # keys that may differ between a run's config and the one asked for


class Verdict(NamedTuple):
    """Hold a callback's decision to end the run, and its reason."""

    status: Literal["finished", "failed"]
    reason: str


class Run:
    """Open the run directory at `path`; `Run.begin` makes one.

    `best_step`, `scores` and `verdict` belong to the run that trains in this process: the step of the best objective, the
    newest scores as (step, name → value), and a callback's decision to end it.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises UserError if there is no run at `path`, or if anything in it leads outside or is no regular file."""
        self.path = Path(path)
        require_own_files(self.path)
        if not (self.path / "config.yaml").is_file():
            what = "has no config.yaml" if self.path.is_dir() else "does not exist"
            raise UserError(f"run={path}: no run directory; it {what}")
        self.unwritten: Plain = {}  # entries of result.json that the disk has not taken yet
        self.best_step: int | None = self.result.get("best_step")
        self.scores: tuple[int, dict[str, float]] | None = None
        self.verdict: Verdict | None = None

    @classmethod
    def begin(cls, path: str | Path, config: DictConfig, overrides: Sequence[str]) -> Run:
        """Make a run directory, or open the one that was made here with the same config.

        Raises UserError, with what differs, if the directory holds a run with another config, or one that lost its config.
        """
        folder = Path(path)
        require_own_files(folder)
        try:
            atomic.make_folder(folder)
            if not (folder / "config.yaml").is_file():
                with lock.locked(folder):
                    cls._make(folder, config, overrides)
        except OSError as error:
            raise unusable(folder, error) from None
        run = cls(folder)
        if changed := run.changes(config):
            cure = f"choose another name= or folder, or go on with it: {run.resume_command}"
            raise UserError(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}")
        return run

    @staticmethod
    def _make(folder: Path, config: DictConfig, overrides: Sequence[str]) -> None:
        """Write the three files; config.yaml comes last, because with it the folder counts as a run."""
        if (folder / "config.yaml").is_file():
            return
        refuse_lost_config(folder, read_result(folder))
        first: Plain = {"id": new_id(), "status": "running", "reason": None, "step": 0, "seconds": 0.0}
        first |= {"objective": None, "metrics": {}}
        atomic.write_text(folder / "result.json", json.dumps(first | {"overrides": list(overrides)}, indent=2) + "\n")
        atomic.write_text(folder / "config.resolved.yaml", OmegaConf.to_yaml(config, resolve=True))
        atomic.write_text(folder / "config.yaml", OmegaConf.to_yaml(settled(config)))

    @property
    def config(self) -> DictConfig:
        """Return the composed config with its interpolations. Raises UserError if the file is no config."""
        return stored_config.load(self.path)

    def changes(self, config: DictConfig) -> list[str]:
        """Return `key: old → new` for every key in which `config` differs from this run's. Raises UserError."""
        lines = differences(resolve(self.config), resolve(config))
        return [line for line in lines if line.partition(": ")[0] not in UNCOMPARED]

    @property
    def resume_command(self) -> str:
        """Return the command that continues this run, quoted for a shell."""
        return shlex.join(["gan-train", f"run={self.path}"])

    @property
    def first_step(self) -> int:
        """Return the step that the run starts from: 0, or the parent's step of a fork."""
        fork = self.config.get("fork")
        return int(fork["step"]) if fork else 0

    @property
    def result(self) -> Plain:
        """Return result.json, with the entries that could not be written yet. Raises UserError if it is no result."""
        return read_result(self.path) | self.unwritten

    @property
    def id(self) -> str | None:
        """Return the id that the run's checkpoints carry; None for a run that an earlier version began."""
        found = self.result.get("id")
        return None if found is None else str(found)

    def finished(self, steps: int, find_mistake: FindMistake, early: bool = True) -> bool:
        """Return whether the run reached `steps`, or, if `early`, ended before them by a callback's verdict.

        A run whose newest checkpoint can't be used has not finished; one whose checkpoints were all deleted has.
        """
        result, saved = self.result, list(self.checkpoints.values())
        reached = result.get("step", 0) >= steps or (early and result.get("reason") is not None)
        return result.get("status") == "finished" and reached and (not saved or damage(saved[-1], find_mistake) is None)

    def record(self, **changes: Any) -> None:
        """Update entries of result.json atomically; what the disk does not take is reported once, kept and tried again."""
        self.best_step = changes.get("best_step", self.best_step)
        reported, self.unwritten = bool(self.unwritten), self.unwritten | changes
        try:
            atomic.write_text(self.path / "result.json", json.dumps(finite(self.result), indent=2) + "\n")
        except OSError as error:
            if not reported:
                print(printable(f"{self.path / 'result.json'}: not written: {atomic.reason(error)}"), file=sys.stderr)
        else:
            self.unwritten = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process, and remove the temporary files of a dead one.

        Raises UserError, with host and pid, if another process holds the lock; UserError or WriteError if nothing can be
        written here.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(lock.locked(self.path))
                atomic.make_folder(self.path / "checkpoints")
                for folder in (self.path, self.path / "checkpoints"):
                    for path in atomic.find_temporaries(folder, OWN_FILES):
                        path.unlink(missing_ok=True)
                    atomic.try_writing(folder)
            except OSError as error:
                raise unusable(self.path, error) from None
            yield
            if self.unwritten:
                raise self.write_error("result.json could not be written")

    def write_error(self, what: str) -> WriteError:
        """Return the error that ends a run on a failing disk, with the command that continues it."""
        newest = f"the newest checkpoint: step {max(self.checkpoints)}" if self.checkpoints else "there is no checkpoint"
        return WriteError(f"run={self.path}: {what}; {newest}; to go on: {self.resume_command}")

    @contextmanager
    def status_recorded(self) -> Iterator[None]:
        """Record status and seconds of the block in result.json; an exception becomes the reason and is raised again."""
        start, before = time.monotonic(), float(self.result.get("seconds", 0.0))
        self.record(status="running", reason=None)
        try:
            yield
        except BaseException as error:
            reason = one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(error)}"
            status, reason = ("preempted", error.caught.name) if isinstance(error, Preempted) else ("failed", reason)
            self.record(status=status, reason=reason, seconds=round(before + time.monotonic() - start, 3))
            raise
        self.record(seconds=round(before + time.monotonic() - start, 3))

    @property
    def checkpoints(self) -> dict[int, Path]:
        """Return step → file, oldest first."""
        return checkpoints.list_checkpoints(self.path / "checkpoints")

    def newest_good(self, find_mistake: FindMistake | None = None) -> tuple[int, Path] | None:
        """Return step and file of the newest checkpoint that can be used; None if none was ever saved.

        The others are named on stderr. Raises UserError if none can be used or all are gone: a run never restarts from step 0
        by itself.
        """
        return checkpoints.newest_usable(self.path, self.checkpoints, self.result, find_mistake)

    def checkpoint_path(self, step: int) -> Path:
        """Return the path of a step's checkpoint."""
        return self.path / "checkpoints" / checkpoints.file_name(step)

    def sample_path(self, step: int, suffix: str = "", ending: str = ".png") -> Path:
        """Return the path of a step's picture, or of its samples in another format, and make its folder."""
        folder = self.path / "samples"
        folder.mkdir(exist_ok=True)
        return folder / f"step={step:08d}{suffix}{ending}"

    def checkpoint(self, which: str | int = "latest") -> Path:
        """Return the checkpoint `latest`, `best` (by the objective) or of a step. Raises UserError, with the existing ones."""
        if not self.checkpoints:
            raise UserError(f"run={self.path}: there is no checkpoint yet")
        return checkpoints.select(self.checkpoints, which, self.best_step)


def unusable(folder: Path, error: OSError) -> UserError:
    """Return the error for a run directory that can't be written: UserError if it may not be, WriteError if the disk fails."""
    failing = error.errno in atomic.FAILING and error.errno not in atomic.FORBIDDEN
    kind = WriteError if failing else UserError
    return kind(f"run={folder}: nothing can be written here: {atomic.reason(error)}")


def shorten_path(path: Path) -> Path:
    """Return `path` relative to the current folder where it lies below it, else as it is."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path
