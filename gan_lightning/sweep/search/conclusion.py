"""The summary that gan-search prints at its end: the best trials, written as experiments, and the commands that train them."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_lightning.run.directory import shorten_path
from gan_lightning.run.result import read_result
from gan_lightning.storage.printable import printable

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from gan_lightning.sweep.search.study import Study

MAX_ROWS = 5  # of the table, with one objective
NAMES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "not over", "WAITING": "waiting"}


def count_states(states: Counter[str]) -> str:
    """Return the number of trials in each of Optuna's states, such as `7 finished, 2 pruned, 1 failed`."""
    return ", ".join(f"{states[state]} {name}" for state, name in NAMES.items() if states[state])


def conclusion(study: Study, extra_dir: str | None, line: list[str]) -> str:
    """Write the best trials as experiments and the report page, and return the summary of the search.

    `extra_dir` is the value of --config-dir, `line` the command line of the search.
    """
    from gan_lightning.sweep.report.write import try_write_report

    trials, best = study.trials, study.ranked()
    states = Counter(trial.state.name for trial in trials)
    rest = study.settings.trials - len(trials) + states["RUNNING"] + states["WAITING"]
    lines = ["", *best_table(study, best), ""]
    lines += [printable(f"  trial {t.number} failed: {t.user_attrs.get('reason')}") for t in trials if t.state.name == "FAIL"]
    left = f", {rest} of {study.settings.trials} left; the same command goes on" if rest > 0 else ""
    lines += [f"  {count_states(states) or 'none begun'}{left}"]
    commands = write_best(study, best, extra_dir, line) if best else []
    lines += [f"  {'best' if i == 0 else '':<6}  {command}" for i, command in enumerate(commands)]
    if (study.folder / "sweep.json").exists() and (page := try_write_report(study.folder)):
        lines.append(f"  report  {shorten_path(page)}")
    return "\n".join(lines)


def best_table(study: Study, best: Sequence[FrozenTrial]) -> list[str]:
    """Return the lines of a table of the best trials; with several objectives, of the whole Pareto front."""
    if not best:
        return ["  no trial is finished"]
    several = len(study.objectives) > 1
    head = ["trial", *(o.name for o in study.objectives), "none is better in every score" if several else "chosen"]
    rows = [head]
    for trial in best if several else best[:MAX_ROWS]:
        overrides = " ".join(study.space.searched_overrides(trial.params))
        rows.append([str(trial.number), *(f"{value:.4g}" for value in trial.values), overrides])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def with_threads(overrides: list[str], run_dir: Path) -> list[str]:
    """Return a trial's overrides with the number of threads that it computed with, which `threads: auto` may not give again."""
    recorded = read_result(run_dir).get("threads")
    typed = any(override.lstrip("+").startswith("threads=") for override in overrides)
    return overrides if recorded is None or typed else [*overrides, f"threads={recorded}"]


def write_best(study: Study, best: Sequence[FrozenTrial], extra_dir: str | None, line: list[str]) -> list[str]:
    """Write the best trial, or each of the Pareto front, as an experiment, and return the commands that train them.

    A file that does not give its trial's config is reported on stderr.
    """
    from gan_lightning.sweep.search.best import Experiment, ExperimentFolder
    from gan_lightning.sweep.search.passwords import hide_password

    folder, several = ExperimentFolder(study.folder, study.space.composer, extra_dir), len(study.objectives) > 1
    experiments = []
    for i, trial in enumerate(best if several else best[:1]):
        scores = ", ".join(f"{o.name} {v!r}" for o, v in zip(study.objectives, trial.values, strict=True))
        place = "on the Pareto front" if several else "the best"
        found_by = shlex.join(map(hide_password, line))
        comment = [f"{scores}: trial {trial.number}, {place} of {len(study.trials)}", f"found by: {found_by}"]
        overrides = with_threads(study.space.overrides(trial.params), study.folder / study.directory(trial.number))
        experiments.append(Experiment(f"best_{i}" if several else "best", overrides, comment))
    for mismatch in folder.write(experiments):
        print(printable(mismatch), file=sys.stderr)
    return [shlex.join(folder.command(experiment.name)) for experiment in experiments]
