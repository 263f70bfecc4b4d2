"""gan-search: look for the best config, trial by trial; the same command again goes on, or helps, in another shell."""

from __future__ import annotations

import difflib
import importlib.util
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from gan_lightning.arguments import arguments
from gan_lightning.cluster import heeded
from gan_lightning.config import Composer, Plain, Refused, nearest, switches
from gan_lightning.ending import ending
from gan_lightning.summary import shown

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from gan_lightning.sweep.study import Objective, Study

SHOWN = 5  # of the best
SWITCHES = ("--config-dir", "-cd", "--config-name", "-cn")


class Request(BaseModel):
    """Search over the config: each trial is a run, and the best becomes an experiment of its own.

    gan-search trials=20 experiment=digits_fast 'optimizer.lr=tag(log,interval(1e-4,1e-2))' loss=hinge,relativistic …

    A key with several values is searched over: a,b  choice(a,b)  range(a,b,step)  interval(a,b)  int(interval(a,b))
    tag(log,interval(a,b)). All else is the same in every trial. The same command goes on, and works beside itself.

    trials        how many in all, whoever works on them; those that failed or were pruned count
    study         the search's name, and its folder's: search/NAME; the experiment's name if none is given
    storage       a database's URL or a journal's path, for workers on several machines; search/NAME/study.db
    objectives    scores to be traded off against one another: '[fid,class_accuracy]'; one alone is objective=
    sampler       tpe, nsga2 or random
    sampler_seed  another one proposes other trials
    prune         stop a run that is worse than the median of the others at its step, or that raises an alarm; true
    warm_up       steps before a score may end a run; a quarter of trainer.max_steps
    """

    trials: Annotated[int, Field(ge=1)]
    study: str | None = None
    storage: str | None = None
    objectives: Annotated[list[str], Field(min_length=2)] | None = None
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    sampler_seed: Annotated[int, Field(ge=0)] = 0
    prune: bool = True
    warm_up: Annotated[int, Field(ge=0)] | None = None


def main() -> None:
    """The console script."""
    with heeded(), ending(debug="debug=true" in sys.argv, foreign=True):
        try:
            sys.exit(search(sys.argv[1:]))
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)


def search(line: list[str]) -> int:
    """Returns the exit code: 0 if a trial is finished. Raises Refused before any begins."""
    fields = Request.model_fields
    own = [word for word in line if word.partition("=")[0] in fields or word in ("-h", "--help")]
    words = [word for word in line if word not in own]
    if strange := [word for word in words if word.startswith("-") and word.partition("=")[0] not in SWITCHES]:
        raise Refused(*(f"{word}: not for a search; allowed: --config-dir, --config-name" for word in strange))
    if misspelt := [why for word in words if (why := meant(word))]:
        raise Refused(*misspelt)
    request: Request = arguments(Request, own)
    if importlib.util.find_spec("optuna") is None:
        raise Refused("gan-search: optuna is not installed; pip install 'gan-lightning[search]'")
    from gan_lightning.sweep.space import Space

    asked = switches(words)
    composer = Composer(asked.config_dir, asked.config_name)
    space = Space(composer, asked.overrides)
    checked = space.checked()
    study = prepared(request, space, checked)
    code = 1
    with study.joined(request.storage, checked[0]):
        try:
            worked(study)
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        finally:
            told = conclusion(study, asked.config_dir, ["gan-search", *line])
            print(told, flush=True)
    return code if code > 1 or not study.ranked() else 0


def meant(word: str) -> str | None:
    """A line for a word that is nearly one of the search's own, and none that a config begins with."""
    key = word.partition("=")[0]
    if key == "objective" or not difflib.get_close_matches(key, Request.model_fields, 1, 0.7):
        return None
    return f"{word}: no such argument; {nearest(key, Request.model_fields)}"


def prepared(request: Request, space: Any, checked: Sequence[Plain]) -> Study:
    """The study, not opened yet. Raises Refused."""
    from gan_lightning.sweep.study import Choice, Study

    name = request.study or "+".join(dict.fromkeys(str(plain["name"]) for plain in checked))
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise Refused(f"study={name}: should be a word: letters, digits and . _ + -, a letter or digit first")
    steps = min(plain["trainer"]["max_steps"] for plain in checked)
    warm_up = steps // 4 if request.warm_up is None else request.warm_up
    choice = Choice(request.trials, request.sampler, request.sampler_seed, request.prune, warm_up)
    return Study(Path("search") / name, name, space, directed(request.objectives, checked), choice)


def directed(asked: Sequence[str] | None, checked: Sequence[Plain]) -> list[Objective]:
    """The scores to go by, and whether more of them is better: the same at every corner. Raises Refused."""
    found = {tuple(objectives(asked, plain)) for plain in checked}
    if len(found) > 1:
        said = " or ".join(sorted({", ".join(o.name for o in one) for one in found}))
        raise Refused(f"objective: trials would go by {said}, which can't be compared; give objective=")
    return list(found.pop())


def objectives(asked: Sequence[str] | None, plain: Plain) -> list[Objective]:
    """Of one config. Raises Refused."""
    from gan_lightning.build import metrics
    from gan_lightning.sweep.study import Objective

    offered = {name: up for score in metrics(plain).values() for name, up in score.higher.items()}
    if not offered:
        raise Refused("metric: gives no score to search by; choose one, such as metric=fid")
    names = list(asked or [plain["objective"] or next(iter(offered))])
    if lines := [f"objectives: no metric gives {name}; {nearest(name, offered)}" for name in names if name not in offered]:
        raise Refused(*lines)
    if len(set(names)) < len(names):
        raise Refused(f"objectives: {', '.join(names)}: each once")
    return [Objective(name, offered[name]) for name in names]


def worked(study: Study) -> None:
    """Take trials until there are none."""
    from gan_lightning.sweep.trial import Attempt

    before = Counter(trial.state.name for trial in study.trials)
    goals = ", ".join(f"{'most' if o.higher else 'least'} {o.name}" for o in study.objectives)
    there = f"; {counted(before)} already" if before else ""
    print(f"{study.choice.trials} trials for {goals}{there} → {shown(study.folder)}", flush=True)
    study.work(Attempt(study))


NAMES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "not over", "WAITING": "waiting"}


def counted(states: Counter[str]) -> str:
    """`7 finished, 2 pruned, 1 failed`."""
    return ", ".join(f"{states[state]} {name}" for state, name in NAMES.items() if states[state])


# ── what a person reads at the end ───────────────────────────────────────────────────────────────────────────────────────
def conclusion(study: Study, extra_dir: str | None, line: list[str]) -> str:
    """The best trials, written as experiments, and what to type next."""
    from gan_lightning.sweep.sweep import reported

    trials, best = study.trials, study.ranked()
    states = Counter(trial.state.name for trial in trials)
    rest = study.choice.trials - len(trials) + states["RUNNING"] + states["WAITING"]
    lines = ["", *table(study, best), ""]
    lines += [f"  trial {t.number} failed: {t.user_attrs.get('reason')}" for t in trials if t.state.name == "FAIL"]
    left = f", {rest} of {study.choice.trials} left; the same command goes on" if rest > 0 else ""
    lines += [f"  {counted(states) or 'none begun'}{left}"]
    commands = kept(study, best, extra_dir, line) if best else []
    lines += [f"  {'best' if i == 0 else '':<6}  {command}" for i, command in enumerate(commands)]
    if (study.folder / "sweep.json").exists() and (page := reported(study.folder)):
        lines.append(f"  report  {shown(page)}")
    return "\n".join(lines)


def table(study: Study, best: Sequence[FrozenTrial]) -> list[str]:
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


def kept(study: Study, best: Sequence[FrozenTrial], extra_dir: str | None, line: list[str]) -> list[str]:
    """Write the best trial, or each of the Pareto front, as an experiment. Returns the commands that train them."""
    from gan_lightning.sweep.best import Recipe, Shelf

    shelf, several = Shelf(study.folder, study.space.composer, extra_dir), len(study.objectives) > 1
    recipes = []
    for i, trial in enumerate(best if several else best[:1]):
        scores = ", ".join(f"{o.name} {v!r}" for o, v in zip(study.objectives, trial.values, strict=True))
        of = "on the Pareto front" if several else "the best"
        comment = [f"{scores}: trial {trial.number}, {of} of {len(study.trials)}", f"found by: {shlex.join(line)}"]
        recipes.append(Recipe(f"best_{i}" if several else "best", study.space.words(trial.params), comment))
    for wrong in shelf.keep(recipes):
        print(wrong, file=sys.stderr)
    return [shlex.join(shelf.command(recipe.name)) for recipe in recipes]


if __name__ == "__main__":
    main()
