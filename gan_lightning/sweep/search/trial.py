"""One trial of a search: a run that trains in a process of its own, and may be stopped before its end.

finished                                            COMPLETE, with its scores at the last step
an alarm of the health watcher, or a score worse
than the median of the others at this step          PRUNED: its state is saved, `gan-train run=` would go on with it
an exception, an exit, a signal, NaN                FAIL, for the reason that result.json gives
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
from gan_lightning.sweep.search.study import Outcome, Study

PRUNED = "pruned"  # a trial's attribute: why its run was stopped


class Attempt:
    """What a worker does with a trial."""

    def __init__(self, study: Study) -> None:
        self.study, self.space = study, study.space

    def __call__(self, trial: Trial) -> Outcome:
        """Train it to its end. Raises WriteError if the disk takes nothing, which is no trial's fault."""
        point, of = self.space.suggest(trial), self.study.choice.trials
        words, directory = self.space.words(point), self.study.directory(trial.number)
        print(f"\ntrial {trial.number} of {of}: {' '.join(self.space.chosen(point))}", flush=True)
        try:
            config = self.space.composer.compose(words)
            plain = validate_and_preflight(config)
            with self.study.lock():
                Plan(self.study.folder, [], [], [Job(words, directory, plain)]).save()
            run = Run.begin(self.study.folder / directory, config, words)
            return self.trained(trial, run, plain)
        except WriteError:
            raise
        except UserError as error:
            print(*error.lines, sep="\n", file=sys.stderr)
            return Outcome(TrialState.FAIL, reason="; ".join(error.lines))

    def trained(self, trial: Trial, run: Run, plain: Plain) -> Outcome:
        """What became of its run, which is trained first unless it is over."""
        watch = PruningWatch(trial, run, plain, self.study)
        over = run.finished(plain["trainer"]["max_steps"]) or run.result.get("status") == "failed"
        if not over and watch.why is None:
            run_in_subprocess(run, watch)
        return trial_outcome(run, watch.why or watch.alarm(run.result), [o.name for o in self.study.objectives])


class PruningWatch:
    """Asked while a run trains: whether it is to be stopped. `why`: what for, once it is."""

    def __init__(self, trial: Trial, run: Run, plain: Plain, study: Study) -> None:
        self.trial, self.run, self.prune = trial, run, study.choice.prune
        self.by_score = self.prune and len(study.objectives) == 1  # Optuna has no pruning by several
        self.last = plain["trainer"]["max_steps"]
        self.why: str | None = trial.user_attrs.get(PRUNED)
        self.told = set(study.trials[trial.number].intermediate_values)

    def __call__(self) -> bool:
        result = self.run.result
        self.why = self.why or self.alarm(result) or self.worse(result)
        if self.why is not None:
            self.trial.set_user_attr(PRUNED, self.why)
        return self.why is not None

    def alarm(self, result: Plain) -> str | None:
        """What the health watcher says."""
        raised: list[dict[str, Any]] = result.get("alarms") or []
        if not (self.prune and raised):
            return None
        return f"step {raised[0]['step']}: {raised[0]['name']}: {raised[0]['message']}"

    def worse(self, result: Plain) -> str | None:
        """What the pruner says of a new score."""
        step = int(result.get("step", 0))
        if not (self.by_score and result.get("metrics")) or step in self.told or not self.run.first_step < step < self.last:
            return None
        self.told.add(step)
        value = result.get("objective")
        self.trial.report(math.nan if value is None else value, step)
        if not self.trial.should_prune():
            return None
        return f"step {step}: {'not a number' if value is None else f'{value:.4g}'}, worse than the median of the others there"


def trial_outcome(run: Run, unwanted: str | None, objectives: list[str]) -> Outcome:
    """What a run's end means for its trial."""
    result = run.result
    status, reason = result.get("status"), result.get("reason")
    if status == "failed":
        return Outcome(TrialState.FAIL, reason=reason)
    if unwanted is not None:
        return Outcome(TrialState.PRUNED, reason=unwanted)
    if status != "finished":  # another's signal stopped it
        return Outcome(None)
    scores = result.get("metrics", {})
    values = [result.get("objective")] if len(objectives) == 1 else [scores.get(name) for name in objectives]
    numbers = [float(value) for value in values if value is not None and math.isfinite(value)]
    if len(numbers) < len(objectives):
        bad = [name for name, value in zip(objectives, values, strict=True) if value is None or not math.isfinite(value)]
        return Outcome(TrialState.FAIL, reason=f"{', '.join(bad)}: not a number at step {result.get('step')}")
    return Outcome(TrialState.COMPLETE, numbers)
