"""The training of one trial: a run in its own process, which may be stopped before its end.

COMPLETE   the run is finished; its values are the scores at the last step
PRUNED     the health watcher raised an alarm, or the score was worse than the median of the other trials at the same step;
           the run's state is saved, and `gan-train run=` can continue it
FAIL       an exception, an exit, a signal or NaN; the reason is that of result.json
"""

from __future__ import annotations

import math
import sys
from typing import Any

from optuna.trial import Trial, TrialState

from gan_lightning.config.errors import UserError, WriteError
from gan_lightning.config.preflight import validate_and_preflight
from gan_lightning.config.resolve import Plain
from gan_lightning.run.directory import Run
from gan_lightning.sweep.job import run_in_subprocess
from gan_lightning.sweep.plan import Job, Plan
from gan_lightning.sweep.search.study import Study
from gan_lightning.sweep.search.types import Outcome
from gan_lightning.training.data_change import ChangedDataError, require_same_data
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint

PRUNED = "pruned"  # the trial's attribute that keeps why its run was stopped, for a worker that takes it over


class Attempt:
    """Train trials for a worker: call it with a trial to get its outcome."""

    def __init__(self, study: Study) -> None:
        self.study, self.space = study, study.space

    def __call__(self, trial: Trial) -> Outcome:
        """Train a trial to its end and return its outcome.

        Raises WriteError if the disk fails, and ChangedDataError if the data are not those that a begun trial was trained on:
        the trial is not the cause, and the next ones would fail, too, or give scores that can't be compared.
        """
        point, total = self.space.suggest(trial), self.study.settings.trials
        overrides, directory = self.space.overrides(point), self.study.directory(trial.number)
        print(f"\ntrial {trial.number} of {total}: {' '.join(self.space.searched_overrides(point))}", flush=True)
        try:
            config = self.space.composer.compose(overrides)
            plain = validate_and_preflight(config)
            with self.study.lock():
                Plan(self.study.folder, [], [], [Job(overrides, directory, plain)]).save()
            run = Run.begin(self.study.folder / directory, config, overrides)
            require_same_data(run, plain)
            return self.train(trial, run, plain)
        except (WriteError, ChangedDataError):
            raise
        except UserError as error:
            print(*error.lines, sep="\n", file=sys.stderr)
            return Outcome(TrialState.FAIL, reason="; ".join(error.lines))

    def train(self, trial: Trial, run: Run, plain: Plain) -> Outcome:
        """Train the trial's run, unless it is over already, and return the trial's outcome."""
        watch = PruningWatch(trial, run, plain, self.study)
        finished = run.finished(plain["trainer"]["max_steps"], ExpectedCheckpoint(run, plain).find_mistake)
        over = finished or run.result.get("status") == "failed"
        if not over and watch.reason is None:
            run_in_subprocess(run, watch)
        return trial_outcome(run, watch.reason or watch.alarm_reason(run.result), [o.name for o in self.study.objectives])


class PruningWatch:
    """Decide, each time it is called during training, whether the run is to be stopped; `reason` is set once it is."""

    def __init__(self, trial: Trial, run: Run, plain: Plain, study: Study) -> None:
        self.trial, self.run, self.prune = trial, run, study.settings.prune
        self.compares_scores = self.prune and len(study.objectives) == 1  # Optuna's pruners take one objective
        self.max_steps = plain["trainer"]["max_steps"]
        self.reason: str | None = trial.user_attrs.get(PRUNED)
        self.reported_steps = set(study.trials[trial.number].intermediate_values)

    def __call__(self) -> bool:
        result = self.run.result
        self.reason = self.reason or self.alarm_reason(result) or self.score_reason(result)
        if self.reason is not None:
            self.trial.set_user_attr(PRUNED, self.reason)
        return self.reason is not None

    def alarm_reason(self, result: Plain) -> str | None:
        """Return the first alarm of the health watcher as a reason to stop; None without an alarm or without pruning."""
        alarms: list[dict[str, Any]] = result.get("alarms") or []
        if not (self.prune and alarms):
            return None
        return f"step {alarms[0]['step']}: {alarms[0]['name']}: {alarms[0]['message']}"

    def score_reason(self, result: Plain) -> str | None:
        """Report a new score to Optuna's pruner, and return the reason to stop; None if there is no new score or no reason."""
        step = int(result.get("step", 0))
        if not (self.compares_scores and result.get("metrics")) or step in self.reported_steps:
            return None
        if not self.run.first_step < step < self.max_steps:
            return None
        self.reported_steps.add(step)
        value = result.get("objective")
        self.trial.report(math.nan if value is None else value, step)
        if not self.trial.should_prune():
            return None
        return f"step {step}: {'not a number' if value is None else f'{value:.4g}'}, worse than the median of the others there"


def trial_outcome(run: Run, pruned: str | None, objectives: list[str]) -> Outcome:
    """Return the outcome of a trial from its run's result; `pruned` is the reason why the run was stopped, if it was."""
    result = run.result
    status, reason = result.get("status"), result.get("reason")
    if status == "failed":
        return Outcome(TrialState.FAIL, reason=reason)
    if pruned is not None:
        return Outcome(TrialState.PRUNED, reason=pruned)
    if status != "finished":  # stopped by a signal that this worker did not send
        return Outcome(None)
    scores = result.get("metrics", {})
    values = [result.get("objective")] if len(objectives) == 1 else [scores.get(name) for name in objectives]
    numbers = [float(value) for value in values if value is not None and math.isfinite(value)]
    if len(numbers) < len(objectives):
        bad = [name for name, value in zip(objectives, values, strict=True) if value is None or not math.isfinite(value)]
        return Outcome(TrialState.FAIL, reason=f"{', '.join(bad)}: not a number at step {result.get('step')}")
    return Outcome(TrialState.COMPLETE, numbers)
