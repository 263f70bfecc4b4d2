"""A run directory: what was asked, what came of it, and the generator that it trained.

config.yaml            the composed config, interpolations kept
config.resolved.yaml   the same with all of them followed
result.json            status, step, scores, provenance
checkpoints/           step=00000500.ckpt …
samples/               step=00000500.png …
events.out.tfevents.…  TensorBoard
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import Plain, Refused, differences, one_line, resolved

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gan_lightning.gan import GAN

PACKAGES = ("gan-lightning", "torch", "torchvision", "pytorch-lightning", "hydra-core", "tensorboard", "numpy")
STEP = re.compile(r"step=(\d+)\.ckpt")
WRITTEN = {"step": (int,), "best_step": (int, type(None)), "seconds": (int, float), "metrics": (dict, int)}  # in result.json
UNCOMPARED = ("name", "debug")  # a run may be called otherwise


class Sampler(NamedTuple):
    """A trained generator and the config that it was trained with."""

    generator: nn.Module  # the running average, in eval mode
    plain: Plain
    step: int


class Verdict(NamedTuple):
    """What a watcher that ends a run says of it."""

    status: Literal["finished", "failed"]
    reason: str


class Run:
    """One run directory. `Run(path)` opens what is there, `Run.begin` makes one."""

    def __init__(self, path: str | Path) -> None:
        """Raises Refused if there is no run at `path`."""
        self.path = Path(path)
        if not (self.path / "config.yaml").is_file():
            what = "has no config.yaml" if self.path.is_dir() else "does not exist"
            raise Refused(f"run={path}: no run directory; it {what}")
        self.best_step: int | None = self.result.get("best_step")
        self.scores: tuple[int, dict[str, float]] | None = None  # of the generator that trains here: step, name → value
        self.verdict: Verdict | None = None

    @classmethod
    def begin(cls, path: str | Path, config: DictConfig, overrides: Sequence[str]) -> Run:
        """A new run, or the one that was begun here with the same config. Raises Refused, saying what differs."""
        folder = Path(path)
        if (folder / "config.yaml").is_file():
            run = cls(folder)
            if changed := run.changes(config):
                cure = "choose another name= or folder, or go on with it: gan-train run="
                raise Refused(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}{path}")
            return run
        from gan_lightning.checkpoint import write_text

        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "config.resolved.yaml", OmegaConf.to_yaml(config, resolve=True))
        write_text(folder / "config.yaml", OmegaConf.to_yaml(config))
        run = cls(folder)
        run.record(status="running", reason=None, step=0, seconds=0.0, objective=None, metrics={}, overrides=list(overrides))
        return run

    @property
    def config(self) -> DictConfig:
        """As it was composed. Raises Refused if the file is no config."""
        try:
            found = OmegaConf.load(self.path / "config.yaml")
        except Exception as error:  # a damaged file fails in many ways
            raise Refused(f"run={self.path}: config.yaml can't be read: {one_line(error)}") from None
        if not isinstance(found, DictConfig):
            raise Refused(f"run={self.path}: config.yaml is no config")
        return found

    def changes(self, config: DictConfig) -> list[str]:
        """Where a config differs from this run's."""
        lines = differences(resolved(self.config), resolved(config))
        return [line for line in lines if line.partition(": ")[0] not in UNCOMPARED]

    @property
    def result(self) -> Plain:
        """What result.json says; empty if there is none."""
        try:
            found: Plain = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise Refused(f"run={self.path}: result.json can't be read: {one_line(error)}") from None
        if not isinstance(found, dict) or any(type(found.get(key, 0)) not in kinds for key, kinds in WRITTEN.items()):
            raise Refused(f"run={self.path}: result.json is no result")
        return found

    def finished(self, steps: int, early: bool = True) -> bool:
        """Whether it went its `steps`, or, `early`, ended before them by its own rule."""
        result = self.result
        return result.get("status") == "finished" and (
            result.get("step", 0) >= steps or (early and result.get("reason") is not None)
        )

    def record(self, **changes: Any) -> None:
        """Change some entries of result.json, atomically."""
        from gan_lightning.checkpoint import write_text

        self.best_step = changes.get("best_step", self.best_step)
        write_text(self.path / "result.json", json.dumps(finite(self.result | changes), indent=2) + "\n")

    @contextmanager
    def owned(self) -> Iterator[None]:
        """This process alone trains here meanwhile. Raises Refused if another does."""
        try:
            with FileLock(self.path / ".lock", timeout=0):
                yield
        except Timeout:
            raise Refused(f"run={self.path}: another process is training here") from None

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Status and time of what happens meanwhile; an exception is recorded as the reason and goes on."""
        began, before = time.monotonic(), float(self.result.get("seconds", 0.0))
        self.record(status="running", reason=None)
        try:
            yield
        except BaseException as error:
            reason = one_line(error) if isinstance(error, Refused) else f"{type(error).__name__}: {one_line(error)}"
            self.record(status="failed", reason=reason, seconds=round(before + time.monotonic() - began, 3))
            raise
        self.record(seconds=round(before + time.monotonic() - began, 3))

    @property
    def checkpoints(self) -> dict[int, Path]:
        """Step → file, oldest first: by the step in the name, never by a clock."""
        found = {
            int(m[1]): file for file in (self.path / "checkpoints").glob("step=*.ckpt") if (m := STEP.fullmatch(file.name))
        }
        return dict(sorted(found.items()))

    def newest_good(self) -> tuple[int, Path] | None:
        """Step and file of the newest checkpoint that can be read; None: there is none at all.

        What is passed over is named on stderr. Raises Refused if all are damaged: a run never starts again at 0 by itself.
        """
        bad: list[str] = []
        for step, path in reversed(self.checkpoints.items()):
            if why := damage(path):
                bad.append(f"{path}: {why}")
                continue
            if bad:
                print("; ".join(bad) + f"; going on from {path.name} instead", file=sys.stderr)
            return step, path
        if bad:
            raise Refused(f"run={self.path}: no checkpoint can be read: " + "; ".join(bad))
        return None

    def keep_metrics(self) -> None:
        """Lightning's CSV logger begins with an empty file: put the rows so far beside it, metrics.1.csv and so on."""
        rows = self.path / "metrics.csv"
        if rows.exists():
            rows.rename(self.path / f"metrics.{len(list(self.path.glob('metrics.*.csv'))) + 1}.csv")

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.path / "checkpoints" / f"step={step:08d}.ckpt"

    def sample_path(self, step: int, suffix: str = "") -> Path:
        """Where the picture of a step lies."""
        folder = self.path / "samples"
        folder.mkdir(exist_ok=True)
        return folder / f"step={step:08d}{suffix}.png"

    def checkpoint(self, which: str | int = "latest") -> Path:
        """`latest`, `best` (by the objective), or a step. Raises Refused, naming those that there are."""
        there = self.checkpoints
        if not there:
            raise Refused(f"run={self.path}: there is no checkpoint yet")
        if which == "latest":
            return list(there.values())[-1]
        if which == "best":
            best = self.best_step
            if best not in there:
                raise Refused(
                    f"checkpoint=best: no score was recorded in this run; there are: latest, {', '.join(map(str, there))}"
                )
            return there[best]
        if not str(which).isdigit() or int(which) not in there:
            named = ["latest", *(["best"] if self.best_step in there else []), *map(str, there)]
            raise Refused(f"checkpoint={which}: not in this run; there are: {', '.join(named)}")
        return there[int(which)]

    def state(self, which: str | int = "latest") -> tuple[dict[str, Tensor], int]:
        """The networks' tensors at a checkpoint, and its step. Raises Refused."""
        from gan_lightning import stranger

        path = self.checkpoint(which)
        try:
            state = stranger.checkpoint(path)["state_dict"]
        except (stranger.Distrusted, OSError) as error:
            raise Refused(f"{path}: {one_line(error)}") from None
        found = STEP.fullmatch(path.name)
        assert found is not None
        return state, int(found[1])

    def sampler(self, which: str | int = "latest") -> Sampler:
        """The generator at a checkpoint, built from this run's own config after it was checked. Raises Refused."""
        from gan_lightning import build
        from gan_lightning.check import check

        plain = check(self.config)
        state, step = self.state(which)
        generator = build.players(plain).generator
        prefix = "ema.average."
        self._load(generator, {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}, step)
        return Sampler(generator.eval().requires_grad_(False), plain, step)

    def game(self, which: str | int = "latest") -> tuple[GAN, int]:
        """The whole game at a checkpoint, in eval mode, and its step. Raises Refused."""
        from gan_lightning import build
        from gan_lightning.check import check

        gan = build.gan(check(self.config))
        state, step = self.state(which)
        self._load(gan, state, step)
        return gan.eval().requires_grad_(False), step

    def _load(self, module: nn.Module, state: dict[str, Tensor], step: int) -> None:
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            path = self.checkpoint_path(step)
            raise Refused(f"{path}: does not fit this run's config.yaml: {one_line(error)}") from None


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint file; None: nothing, every byte was read and compared with its checksum."""
    try:
        with zipfile.ZipFile(path) as file:
            wrong = file.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        return one_line(error)
    return f"{wrong} is damaged" if wrong else None


def finite(value: Any) -> Any:
    """Numbers that JSON can't say, NaN and infinities, as null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def provenance(seed: int, device: str) -> Plain:
    """What made a number: the code, the libraries, the machine, the seed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return {**commit(), "versions": versions, "device": device, "seed": seed}


def commit() -> Plain:
    """The checkout's commit, and whether its files differ from it; None when installed from a wheel."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603, S607
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "run.py") is None:
        return {"commit": None, "dirty": None}
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
