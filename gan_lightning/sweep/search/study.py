"""What a search knows: its trials, in a storage that several workers share, and whose hands each is in.

    SEARCH/study.db          Optuna's storage, unless another is given
    SEARCH/workers/<name>/   whoever works on the search owns a folder here while it lives

Trials are only ever taken under one lock, so there are never more than were asked for. A trial whose worker is gone is taken
up by the next one, under its own number. What is proposed is a function of (sampler_seed, number, what is known by then): a
search that was ended and goes on proposes what it would have.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain, differences
from gan_lightning.run import lock
from gan_lightning.run.directory import UNCOMPARED
from gan_lightning.sweep.search.space import Space

FILE = "study.db"
WAIT = 0.3  # seconds between two looks at a trial whose run another process still holds
PATIENCE = 60  # seconds that a writer waits for another, in sqlite
SCHEME = re.compile(r"[\w+]+://")
Sampler = Literal["tpe", "nsga2", "random"]


class Objective(NamedTuple):
    """A score to go by."""

    name: str
    higher: bool  # whether more of it is better


class Outcome(NamedTuple):
    """What became of a trial."""

    state: TrialState | None  # None: not over, for it was interrupted
    values: list[float] | None = None
    reason: str | None = None


class SearchSettings(NamedTuple):
    """How a search goes on: nothing here changes what a trial is."""

    trials: int
    sampler: Sampler = "tpe"
    sampler_seed: int = 0
    prune: bool = True
    warm_up: int = 0  # steps


class Study:
    """Optuna's study, as one of its workers sees it."""

    def __init__(self, folder: Path, name: str, space: Space, objectives: Sequence[Objective], choice: SearchSettings) -> None:
        self.folder, self.name, self.space, self.objectives, self.choice = folder, name, space, list(objectives), choice
        self.optuna: optuna.Study
        self.worker = ""

    @contextmanager
    def joined(self, storage: str | None, first: Plain) -> Iterator[None]:
        """Open the study, or make it, and be one of its workers meanwhile. `first`: the config of its first corner.

        Raises UserError if it is of another search.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self.folder.mkdir(parents=True, exist_ok=True)
        directions = [StudyDirection.MAXIMIZE if o.higher else StudyDirection.MINIMIZE for o in self.objectives]
        with self.lock():
            kept = open_storage(storage or f"sqlite:///{self.folder.absolute() / FILE}")
            there = self.name in optuna.get_all_study_names(kept)
            if not there and (lost := sorted((self.folder / "trials").glob("*/config.yaml"))):
                raise UserError(f"{self.folder}: holds runs that its storage does not know ({lost[0]}); choose another study=")
            if there:
                self.refuse_changed(optuna.load_study(study_name=self.name, storage=kept), first)
            pruner = optuna.pruners.MedianPruner(n_warmup_steps=self.choice.warm_up)
            self.optuna = optuna.create_study(
                storage=kept, study_name=self.name, directions=directions, load_if_exists=True, pruner=pruner
            )
            if not there:
                self.optuna.set_metric_names([o.name for o in self.objectives])
                for key, value in (("space", self.space.typed), ("objectives", self.objectives), ("first", first)):
                    self.optuna.set_user_attr(key, value)
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        place = self.folder / "workers" / self.worker
        place.mkdir(parents=True)
        for other in place.parent.iterdir():
            if other != place:
                self.lives(other)
        try:
            with lock.locked(place):
                yield
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def refuse_changed(self, there: optuna.Study, first: Plain) -> None:
        """Raises UserError if the study has another space, other objectives or another fixed part: one line."""
        known = there.user_attrs
        try:
            space, objectives, config = known["space"], [Objective(*o) for o in known["objectives"]], known["first"]
        except (KeyError, TypeError):
            raise UserError(f"study={self.name}: the storage's study of this name is not one of gan-search") from None
        now = self.space.typed
        differing = [key for key in {**space, **now} if space.get(key) != now.get(key)]
        changed = [f"{key}: {space.get(key, 'not searched')} → {now.get(key, 'not searched')}" for key in differing]
        if objectives != self.objectives:
            changed.append(f"objectives: {describe_objectives(objectives)} → {describe_objectives(self.objectives)}")
        if not changed:
            changed = [line for line in differences(config, first) if line.partition(": ")[0] not in UNCOMPARED]
        if changed:
            raise UserError(f"{self.folder}: holds another search ({'; '.join(changed)}); choose another study=")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else takes a trial meanwhile."""
        with FileLock(self.folder / ".search.lock"):
            yield

    @property
    def trials(self) -> list[FrozenTrial]:
        """All of them, by number."""
        return self.optuna.get_trials(deepcopy=False)

    # ── taking and giving back ───────────────────────────────────────────────────────────────────────────────────────────
    def claim(self) -> Trial | None:
        """One to work on: one that a dead worker left, or a new one. None: all are over, or in living hands."""
        while True:
            with self.lock():
                left = [t for t in self.trials if t.state is TrialState.RUNNING and not self.in_hands(t)]
                free = [t for t in left if not self.training(t)]
                if free or len(self.trials) < self.choice.trials:
                    return self.taken(free[0] if free else None)
            if not left:
                return None
            time.sleep(WAIT)  # its worker died, and its run is still being saved

    def taken(self, left: FrozenTrial | None) -> Trial:
        """Under the lock: the trial is this worker's."""
        self.optuna.sampler = make_sampler(self.choice, len(self.trials) if left is None else left.number)
        trial = self.optuna.ask() if left is None else Trial(self.optuna, left._trial_id)
        self.space.suggest(trial)
        trial.set_user_attr("worker", self.worker)
        return trial

    def in_hands(self, trial: FrozenTrial) -> bool:
        """Whether its worker lives."""
        name = str(trial.user_attrs.get("worker", ""))
        return name != "" and (name == self.worker or self.lives(self.folder / "workers" / name))

    def lives(self, place: Path) -> bool:
        """Whether a worker still owns its folder; a dead one's is removed."""
        if not place.is_dir():
            return False
        try:
            with lock.locked(place):
                pass
        except UserError:
            return True
        except OSError:  # it has gone this moment
            return place.is_dir()
        shutil.rmtree(place, ignore_errors=True)
        return False

    def training(self, trial: FrozenTrial) -> bool:
        """Whether some process still holds its run, after its worker is gone."""
        other = lock.read_owner(self.folder / self.directory(trial.number))
        return other is not None and other.busy()

    def directory(self, number: int) -> str:
        """A trial's run, within the search's folder."""
        return f"trials/{number}"

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """What became of it; a trial that is not over is let go, for whoever comes next."""
        if outcome.state is None:
            trial.set_user_attr("worker", "")
            return
        if outcome.reason:
            trial.set_user_attr("reason", outcome.reason)
        self.optuna.tell(trial, outcome.values, state=outcome.state)

    def same(self, trial: Trial) -> FrozenTrial | None:
        """A finished trial of the same point: it would give the same bits."""
        return next((t for t in self.trials if t.state is TrialState.COMPLETE and t.params == trial.params), None)

    def work(self, attempt: Callable[[Trial], Outcome]) -> None:
        """Take trials until there are none; `attempt` says what became of each, and raises only to end this worker."""
        while (trial := self.claim()) is not None:
            if (before := self.same(trial)) is not None:
                self.tell(trial, Outcome(TrialState.COMPLETE, before.values, f"the same as trial {before.number}"))
                continue
            try:
                outcome = attempt(trial)
            except BaseException:
                with contextlib.suppress(Exception):
                    self.tell(trial, Outcome(None))
                raise
            self.tell(trial, outcome)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def ranked(self) -> list[FrozenTrial]:
        """The finished ones, each point once: best first, or the Pareto front by its first score."""
        complete = [t for t in self.trials if t.state is TrialState.COMPLETE]
        unique = list({tuple(sorted(t.params.items())): t for t in reversed(complete)}.values())
        if len(self.objectives) > 1:
            front = {t.number for t in self.optuna.best_trials}
            unique = [t for t in unique if t.number in front]
        higher = self.objectives[0].higher
        return sorted(unique, key=lambda t: (-t.values[0] if higher else t.values[0], t.number))


def open_storage(storage: str) -> BaseStorage:
    """A database's URL, or a journal's path. Raises UserError."""
    try:
        if not SCHEME.match(storage):
            return JournalStorage(JournalFileBackend(storage))
        waits = {"connect_args": {"timeout": PATIENCE}} if storage.startswith("sqlite") else {}
        return RDBStorage(storage, engine_kwargs=waits)
    except Exception as error:  # whatever a database's driver raises
        why = one_line(error)
        raise UserError(f"storage={hide_password(storage)}: {type(error).__name__}: {why}") from None


def hide_password(storage: str) -> str:
    """Without a password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", storage)


def make_sampler(choice: SearchSettings, number: int) -> optuna.samplers.BaseSampler:
    """Who proposes the trial of this number; TPE is multivariate where there is one objective."""
    seed = int(np.random.SeedSequence([choice.sampler_seed, number]).generate_state(1)[0])
    if choice.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    if choice.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def describe_objectives(objectives: Sequence[Objective]) -> str:
    """With their directions."""
    return ", ".join(f"{o.name} ({'more' if o.higher else 'less'} is better)" for o in objectives)
