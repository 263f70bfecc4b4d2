"""The study of a search: its trials, in a storage that several workers share.

    SEARCH/study.db          Optuna's storage, unless another one is given
    SEARCH/workers/<name>/   a folder per worker, locked while the worker is alive

Trials are assigned under one lock, so there are never more than requested. The trial of a dead worker is continued by the next
one, under the same number. A proposed point is a function of (sampler_seed, trial number, trials finished by then), so that a
resumed search proposes the same points as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
from filelock import FileLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain, differences
from gan_lightning.run import lock
from gan_lightning.run.directory import UNCOMPARED
from gan_lightning.run.own_files import require_own_files
from gan_lightning.sweep.search.attributes import WORKER, read_search_record, require_own_trials, worker_name
from gan_lightning.sweep.search.objectives import describe_objectives
from gan_lightning.sweep.search.space import Space
from gan_lightning.sweep.search.storage import open_storage, storage_errors
from gan_lightning.sweep.search.types import Objective, Outcome, SearchSettings

STORAGE_FILE = "study.db"
POLL_SECONDS = 0.3  # between two checks of a trial whose run another process still locks


class Study:
    """Share an Optuna study as one of its workers."""

    def __init__(
        self, folder: Path, name: str, space: Space, objectives: Sequence[Objective], settings: SearchSettings
    ) -> None:
        self.folder, self.name, self.space, self.objectives, self.settings = folder, name, space, list(objectives), settings
        self.optuna: optuna.Study
        self.worker = ""

    @contextmanager
    def joined(self, storage: str | None, first: Plain) -> Iterator[None]:
        """Open or create the study, and be one of its workers inside the block.

        `first` is the config of the space's first corner. Raises UserError if the folder or the storage holds another search.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        require_own_files(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            self._open(storage or f"sqlite:///{self.folder.absolute() / STORAGE_FILE}", first)
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        folder = self.folder / "workers" / self.worker
        folder.mkdir(parents=True)
        for other in folder.parent.iterdir():
            if other != folder and WORKER.fullmatch(other.name):
                self.is_worker_alive(other)  # for its side effect: it removes a dead worker's folder
        try:
            with lock.locked(folder):
                yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _open(self, storage: str, first: Plain) -> None:
        opened = open_storage(storage)
        with storage_errors(storage):
            exists = self.name in optuna.get_all_study_names(opened)
            existing = optuna.load_study(study_name=self.name, storage=opened) if exists else None
            attributes, trials = (existing.user_attrs, existing.get_trials(deepcopy=False)) if existing else ({}, [])
        if not exists and (lost := sorted((self.folder / "trials").glob("*/config.yaml"))):
            raise UserError(f"{self.folder}: holds runs that are not in its storage ({lost[0]}); choose another study=")
        if exists:
            self.refuse_changed(attributes, trials, first)
        self.optuna = optuna.create_study(
            storage=opened,
            study_name=self.name,
            directions=[StudyDirection.MAXIMIZE if o.maximize else StudyDirection.MINIMIZE for o in self.objectives],
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=self.settings.warm_up),
        )
        if not exists:
            self.optuna.set_metric_names([o.name for o in self.objectives])
            for key, value in (("space", self.space.typed), ("objectives", self.objectives), ("first", first)):
                self.optuna.set_user_attr(key, value)

    def refuse_changed(self, attributes: Plain, trials: list[FrozenTrial], first: Plain) -> None:
        """Compare this search with the stored study. Raises UserError if space, objectives or fixed config differ."""
        record = read_search_record(self.name, attributes)
        old, config, objectives = record.space, record.first, [Objective(*o) for o in record.objectives]
        new = self.space.typed
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        changed = [f"{key}: {old.get(key, 'not searched')} → {new.get(key, 'not searched')}" for key in keys]
        if objectives != self.objectives:
            changed.append(f"objectives: {describe_objectives(objectives)} → {describe_objectives(self.objectives)}")
        if not changed:
            changed = [line for line in differences(config, first) if line.partition(": ")[0] not in UNCOMPARED]
        if changed:
            raise UserError(f"{self.folder}: holds another search ({'; '.join(changed)}); choose another study=")
        distributions = {key: dimension.distribution for key, dimension in self.space.dimensions.items()}
        require_own_trials(self.name, trials, distributions, len(self.objectives))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the search: no other worker takes a trial inside the block."""
        with FileLock(self.folder / ".search.lock"):
            yield

    @property
    def trials(self) -> list[FrozenTrial]:
        """Return all trials, in the order of their numbers."""
        return self.optuna.get_trials(deepcopy=False)

    # ── assigning trials to workers ──────────────────────────────────────────────────────────────────────────────────────
    def claim(self) -> Trial | None:
        """Take a dead worker's trial or create a new one; None if every trial is over or has a live worker."""
        while True:
            with self.lock():
                orphans = [t for t in self.trials if t.state is TrialState.RUNNING and not self.has_live_worker(t)]
                free = [t for t in orphans if not self.is_run_locked(t)]
                if free or len(self.trials) < self.settings.trials:
                    return self.assign(free[0] if free else None)
            if not orphans:
                return None
            time.sleep(POLL_SECONDS)  # the worker is dead, but its run's process is still saving its state

    def assign(self, orphan: FrozenTrial | None) -> Trial:
        """Assign an orphaned trial, or a new one if None, to this worker. Call it under the lock."""
        self.optuna.sampler = make_sampler(self.settings, len(self.trials) if orphan is None else orphan.number)
        trial = self.optuna.ask() if orphan is None else Trial(self.optuna, orphan._trial_id)
        self.space.suggest(trial)
        trial.set_user_attr("worker", self.worker)
        return trial

    def has_live_worker(self, trial: FrozenTrial) -> bool:
        """Return whether the worker of a trial is alive."""
        name = worker_name(trial)
        return name != "" and (name == self.worker or self.is_worker_alive(self.folder / "workers" / name))

    def is_worker_alive(self, folder: Path) -> bool:
        """Return whether a worker still locks its folder; the folder of a dead worker is removed."""
        if not folder.is_dir():
            return False
        try:
            with lock.locked(folder):
                pass
        except UserError:
            return True
        except OSError:  # the worker may have removed its folder meanwhile
            return folder.is_dir()
        shutil.rmtree(folder, ignore_errors=True)
        return False

    def is_run_locked(self, trial: FrozenTrial) -> bool:
        """Return whether a process still trains the run of a trial, which may outlive the trial's worker."""
        owner = lock.read_owner(self.folder / self.directory(trial.number))
        return owner is not None and owner.busy()

    def directory(self, number: int) -> str:
        """Return a trial's run directory, relative to the search's folder."""
        return f"trials/{number}"

    def record(self, trial: Trial, outcome: Outcome) -> None:
        """Record a trial's outcome; an interrupted trial is released for the next worker."""
        if outcome.state is None:
            trial.set_user_attr("worker", "")
            return
        if outcome.reason:
            trial.set_user_attr("reason", outcome.reason)
        self.optuna.tell(trial, outcome.values, state=outcome.state)

    def find_duplicate(self, trial: Trial) -> FrozenTrial | None:
        """Return a finished trial of the same point, because training it again would give the same bits; None without one."""
        return next((t for t in self.trials if t.state is TrialState.COMPLETE and t.params == trial.params), None)

    def work(self, attempt: Callable[[Trial], Outcome]) -> None:
        """Take trials until none is left; `attempt` trains one and returns its outcome, and raises only to end this worker."""
        while (trial := self.claim()) is not None:
            if (duplicate := self.find_duplicate(trial)) is not None:
                self.record(trial, Outcome(TrialState.COMPLETE, duplicate.values, f"the same as trial {duplicate.number}"))
                continue
            try:
                outcome = attempt(trial)
            except BaseException:
                with contextlib.suppress(Exception):
                    self.record(trial, Outcome(None))
                raise
            self.record(trial, outcome)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def ranked(self) -> list[FrozenTrial]:
        """Return the finished trials, best first and each point once; with several objectives, those of the Pareto front.

        The front is ordered by its first objective.
        """
        complete = [t for t in self.trials if t.state is TrialState.COMPLETE]
        unique = list({tuple(sorted(t.params.items())): t for t in reversed(complete)}.values())
        if len(self.objectives) > 1:
            front = {t.number for t in self.optuna.best_trials}
            unique = [t for t in unique if t.number in front]
        sign = -1 if self.objectives[0].maximize else 1
        return sorted(unique, key=lambda t: (sign * t.values[0], t.number))


def make_sampler(settings: SearchSettings, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that proposes the point of trial `number`, seeded by (sampler_seed, number).

    By Optuna's default, TPE is multivariate where there is one objective.
    """
    seed = int(np.random.SeedSequence([settings.sampler_seed, number]).generate_state(1)[0])
    if settings.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)
