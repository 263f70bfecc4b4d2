"""gan-search: look for the best config, trial by trial; the same command again goes on, or helps, in another shell."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_lightning.run.directory import shorten_path

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from gan_lightning.sweep.search.study import Study

SHOWN = 5  # of the best


NAMES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "not over", "WAITING": "waiting"}


def count_states(states: Counter[str]) -> str:
    """`7 finished, 2 pruned, 1 failed`."""
    return ", ".join(f"{states[state]} {name}" for state, name in NAMES.items() if states[state])


# ── what a person reads at the end ───────────────────────────────────────────────────────────────────────────────────────
def conclusion(study: Study, extra_dir: str | None, line: list[str]) -> str:
    """The best trials, written as experiments, and what to type next."""
    from gan_lightning.sweep.report.write import try_write_report

    trials, best = study.trials, study.ranked()
    states = Counter(trial.state.name for trial in trials)
    rest = study.choice.trials - len(trials) + states["RUNNING"] + states["WAITING"]
    lines = ["", *best_table(study, best), ""]
    lines += [f"  trial {t.number} failed: {t.user_attrs.get('reason')}" for t in trials if t.state.name == "FAIL"]
    left = f", {rest} of {study.choice.trials} left; the same command goes on" if rest > 0 else ""
    lines += [f"  {count_states(states) or 'none begun'}{left}"]
    commands = write_best(study, best, extra_dir, line) if best else []
    lines += [f"  {'best' if i == 0 else '':<6}  {command}" for i, command in enumerate(commands)]
    if (study.folder / "sweep.json").exists() and (page := try_write_report(study.folder)):
        lines.append(f"  report  {shorten_path(page)}")
    return "\n".join(lines)


def best_table(study: Study, best: Sequence[FrozenTrial]) -> list[str]:
    """Rows of the best trials, or of the whole Pareto front."""
    if not best:
        return ["  no trial is finished"]
    several = len(study.objectives) > 1
    head = ["trial", *(o.name for o in study.objectives), "none is better in every score" if several else "chosen"]
    rows = [head]
    for trial in best if several else best[:SHOWN]:
        rows.append([str(trial.number), *(f"{v:.4g}" for v in trial.values), " ".join(study.space.chosen(trial.params))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def write_best(study: Study, best: Sequence[FrozenTrial], extra_dir: str | None, line: list[str]) -> list[str]:
    """Write the best trial, or each of the Pareto front, as an experiment. Returns the commands that train them."""
    from gan_lightning.sweep.search.best import ExperimentFolder, Recipe

    shelf, several = ExperimentFolder(study.folder, study.space.composer, extra_dir), len(study.objectives) > 1
    recipes = []
    for i, trial in enumerate(best if several else best[:1]):
        scores = ", ".join(f"{o.name} {v!r}" for o, v in zip(study.objectives, trial.values, strict=True))
        of = "on the Pareto front" if several else "the best"
        comment = [f"{scores}: trial {trial.number}, {of} of {len(study.trials)}", f"found by: {shlex.join(line)}"]
        recipes.append(Recipe(f"best_{i}" if several else "best", study.space.words(trial.params), comment))
    for wrong in shelf.keep(recipes):
        print(wrong, file=sys.stderr)
    return [shlex.join(shelf.command(recipe.name)) for recipe in recipes]
