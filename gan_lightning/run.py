"""A run directory: what was asked, what came of it, and the generator that it trained.

config.yaml            the composed config, interpolations kept
config.resolved.yaml   the same with all of them followed
result.json            status, step, scores, provenance
checkpoints/           step=00000500.ckpt …
samples/               step=00000500.png …
events.out.tfevents.…  TensorBoard
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_lightning import disk, owner, saved
from gan_lightning.cluster import TakenAway
from gan_lightning.config import Plain, Refused, Unwritten, differences, one_line, resolved

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gan_lightning.gan import GAN

WRITTEN = re.compile(r"config(\.resolved)?\.yaml|result\.json|\.lock\.owner|step=\d+\.ckpt|probe")  # by its owner alone
TYPES = {"step": (int,), "best_step": (int, type(None)), "seconds": (int, float), "metrics": (dict, int)}  # in result.json
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
        self.unwritten: Plain = {}  # entries of result.json that the disk did not take yet
        self.best_step: int | None = self.result.get("best_step")
        self.scores: tuple[int, dict[str, float]] | None = None  # of the generator that trains here: step, name → value
        self.verdict: Verdict | None = None

    @classmethod
    def begin(cls, path: str | Path, config: DictConfig, overrides: Sequence[str]) -> Run:
        """A new run, or the one that was begun here with the same config. Raises Refused, saying what differs."""
        folder = Path(path)
        try:
            disk.made(folder)
            if not (folder / "config.yaml").is_file():
                with owner.owned(folder):
                    cls._make(folder, config, overrides)
        except OSError as error:
            raise unusable(folder, error) from None
        run = cls(folder)
        if changed := run.changes(config):
            cure = "choose another name= or folder, or go on with it: gan-train run="
            raise Refused(f"{path}: holds a run with another config ({'; '.join(changed)}); {cure}{path}")
        return run

    @staticmethod
    def _make(folder: Path, config: DictConfig, overrides: Sequence[str]) -> None:
        """config.yaml comes last: with it, the folder is a run."""
        if (folder / "config.yaml").is_file():
            return
        first: Plain = {"status": "running", "reason": None, "step": 0, "seconds": 0.0, "objective": None, "metrics": {}}
        disk.write_text(folder / "result.json", json.dumps(first | {"overrides": list(overrides)}, indent=2) + "\n")
        disk.write_text(folder / "config.resolved.yaml", OmegaConf.to_yaml(config, resolve=True))
        disk.write_text(folder / "config.yaml", OmegaConf.to_yaml(config))

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
    def first_step(self) -> int:
        """Where it began: 0, or the step of the parent that it was forked at."""
        fork = self.config.get("fork")
        return int(fork["step"]) if fork else 0

    @property
    def result(self) -> Plain:
        """What result.json says, or would if the disk took it; empty if there is none."""
        try:
            found: Plain = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return dict(self.unwritten)
        except ValueError as error:
            raise Refused(f"run={self.path}: result.json can't be read: {one_line(error)}") from None
        if not isinstance(found, dict) or any(type(found.get(key, 0)) not in kinds for key, kinds in TYPES.items()):
            raise Refused(f"run={self.path}: result.json is no result")
        return found | self.unwritten

    def finished(self, steps: int, early: bool = True) -> bool:
        """Whether it went its `steps`, or, `early`, ended before them by its own rule."""
        result = self.result
        return result.get("status") == "finished" and (
            result.get("step", 0) >= steps or (early and result.get("reason") is not None)
        )

    def record(self, **changes: Any) -> None:
        """Change some entries of result.json, atomically. What the disk does not take is kept, told, and tried again."""
        self.best_step = changes.get("best_step", self.best_step)
        told, self.unwritten = bool(self.unwritten), self.unwritten | changes
        try:
            disk.write_text(self.path / "result.json", json.dumps(finite(self.result), indent=2) + "\n")
        except OSError as error:
            if not told:
                print(f"{self.path / 'result.json'}: not written: {disk.why(error)}", file=sys.stderr)
        else:
            self.unwritten = {}

    @contextmanager
    def owned(self) -> Iterator[None]:
        """This process alone trains here meanwhile; what a dead one left half-written is removed.

        Raises Refused, naming the host and pid of another owner, or if nothing can be written here.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(owner.owned(self.path))
                disk.made(self.path / "checkpoints")
                for folder in (self.path, self.path / "checkpoints"):
                    for path in disk.left_over(folder, WRITTEN):
                        path.unlink(missing_ok=True)
                    disk.try_writing(folder)
            except OSError as error:
                raise unusable(self.path, error) from None
            yield
            if self.unwritten:
                raise self.stopped("result.json could not be written")

    def stopped(self, what: str) -> Unwritten:
        """What to tell when the disk ends a run: where one can go on."""
        there = f"the newest checkpoint: step {max(self.checkpoints)}" if self.checkpoints else "there is no checkpoint"
        return Unwritten(f"run={self.path}: {what}; {there}; to go on: gan-train run={self.path}")

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Status and time of what happens meanwhile; an exception is recorded as the reason and goes on."""
        began, before = time.monotonic(), float(self.result.get("seconds", 0.0))
        self.record(status="running", reason=None)
        try:
            yield
        except BaseException as error:
            away = isinstance(error, TakenAway)
            reason = one_line(error) if isinstance(error, Refused) else f"{type(error).__name__}: {one_line(error)}"
            reason = error.caught.name if isinstance(error, TakenAway) else reason
            self.record(
                status="preempted" if away else "failed", reason=reason, seconds=round(before + time.monotonic() - began, 3)
            )
            raise
        self.record(seconds=round(before + time.monotonic() - began, 3))

    @property
    def checkpoints(self) -> dict[int, Path]:
        """Step → file, oldest first."""
        return saved.checkpoints(self.path / "checkpoints")

    def newest_good(self) -> tuple[int, Path] | None:
        """Step and file of the newest checkpoint that can be read; None: none was ever saved.

        What is passed over is named on stderr. Raises Refused if all are damaged or gone: a run never starts again at 0 by
        itself.
        """
        there = self.checkpoints
        step, passed = saved.newest_good(there)
        bad = "; ".join(f"{path}: {why}" for path, why in passed.items())
        if step is not None:
            if bad:
                print(f"{bad}; going on from {there[step].name} instead", file=sys.stderr)
            return step, there[step]
        if bad:
            raise Refused(f"run={self.path}: no checkpoint can be read: {bad}")
        result = self.result
        if lost := result.get("saved"):
            raise Refused(
                f"run={self.path}: {self.path / 'checkpoints'} is empty, but a checkpoint of step {lost} was saved there; "
                "put it back, or begin anew in another folder"
            )
        if reached := result.get("step"):
            print(f"starting again from step 0: no checkpoint was saved up to step {reached}", file=sys.stderr)
        return None

    def keep_metrics(self, step: int) -> None:
        """Lightning's CSV logger begins with an empty file: put the rows up to a step beside it, metrics.1.csv and so on."""
        rows = self.path / "metrics.csv"
        if not rows.exists():
            return
        with rows.open(newline="", encoding="utf-8") as file:
            header, *told = csv.reader(file)
        at, kept = header.index("step"), io.StringIO()
        csv.writer(kept, lineterminator="\n").writerows([header, *(r for r in told if len(r) > at and int(r[at]) <= step)])
        disk.write_text(self.path / f"metrics.{len(list(self.path.glob('metrics.*.csv'))) + 1}.csv", kept.getvalue())
        rows.unlink()

    def row(self, step: int) -> dict[str, float]:
        """What Lightning's CSV logger has of a step; empty: nothing."""
        found: dict[str, float] = {}
        for path in sorted(self.path.glob("metrics*.csv")):
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if row["step"] == str(step):
                        found |= {name: float(value) for name, value in row.items() if value and name != "step"}
        return found

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
        if why := saved.damage(path):
            good, _ = saved.newest_good(self.checkpoints)
            cure = "no other can be read" if good is None else f"the newest that can be read: checkpoint={good}"
            raise Refused(f"{path}: {why}; {cure}")
        try:
            state = stranger.checkpoint(path)["state_dict"]
        except (stranger.Distrusted, OSError) as error:
            raise Refused(f"{path}: {one_line(error)}") from None
        return state, int(path.stem.removeprefix("step="))

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


def unusable(folder: Path, error: OSError) -> Refused:
    """Why nothing can be written in a run directory: it may not be, or the disk fails."""
    if error.errno in disk.FAILING and error.errno not in disk.FORBIDDEN:
        return Unwritten(f"run={folder}: nothing can be written here: {disk.why(error)}")
    return Refused(f"run={folder}: nothing can be written here: {disk.why(error)}")


def finite(value: Any) -> Any:
    """Numbers that JSON can't say, NaN and infinities, as null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
