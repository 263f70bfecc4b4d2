"""gan-search: search for the best config, trial by trial.

The same command continues a search that has ended, and works on a running one together with other processes.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from gan_lightning.cli.arguments import parse_arguments
from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain
from gan_lightning.config.switches import parse_switches
from gan_lightning.config.text_keys import quote_line
from gan_lightning.distributed.process import outlive_readers
from gan_lightning.distributed.stopping import exit_on_signal
from gan_lightning.run.directory import shorten_path
from gan_lightning.storage.home import expand_home
from gan_lightning.sweep.search.conclusion import conclusion, count_states
from gan_lightning.sweep.search.objectives import common_objectives
from gan_lightning.sweep.search.passwords import hide_password

if TYPE_CHECKING:
    from gan_lightning.sweep.search.space import Space
    from gan_lightning.sweep.search.study import Study

SWITCHES = ("--config-dir", "-cd", "--config-name", "-cn")  # the switches of Hydra that a search accepts


class Request(BaseModel):
    """Search over the config: each trial is a run, and the best becomes an experiment of its own.

    gan-search trials=20 experiment=digits_fast 'optimizer.lr=tag(log,interval(1e-4,1e-2))' loss=hinge,relativistic …

    A key with several values is searched over: a,b  choice(a,b)  range(a,b,step)  interval(a,b)  int(interval(a,b))
    tag(log,interval(a,b)). All else is the same in every trial. The same command goes on, and works beside itself.

    trials        how many in all, over all workers; those that failed or were pruned count
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
    """Run the console script `gan-search`."""
    with exit_on_signal(), exit_codes(debug="debug=true" in sys.argv, foreign=True):
        try:
            sys.exit(run_search(sys.argv[1:]))
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)


def run_search(line: list[str]) -> int:
    """Run trials and print the conclusion; return 0 if a trial has finished. Raises UserError before the first trial."""
    fields = Request.model_fields
    arguments = [text for text in line if text.partition("=")[0] in fields or text in ("-h", "--help")]
    config_line = [text for text in line if text not in arguments]
    if unknown := [text for text in config_line if text.startswith("-") and text.partition("=")[0] not in SWITCHES]:
        raise UserError(*(f"{text}: not for a search; allowed: --config-dir, --config-name" for text in unknown))
    if misspelt := [mistake for text in config_line if (mistake := suggest_argument(text))]:
        raise UserError(*misspelt)
    request = parse_arguments(Request, arguments)
    outlive_readers()
    if importlib.util.find_spec("optuna") is None:
        raise UserError("gan-search: optuna is not installed; pip install 'gan-lightning[search]'")
    from gan_lightning.sweep.search.space import Space

    switches = parse_switches(config_line)
    composer = Composer(switches.config_dir, switches.config_name)
    space = Space(composer, quote_line(composer, switches.overrides, sweep=True))
    configs = space.validate_corners()
    study = prepare_study(request, space, configs)
    code = 1
    storage = request.storage
    with study.joined(str(expand_home(storage)) if storage and storage.startswith("~") else storage, configs[0]):
        try:
            run_trials(study)
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        finally:
            print(conclusion(study, switches.config_dir, ["gan-search", *line]), flush=True)
    return code if code > 1 or not study.ranked() else 0


def suggest_argument(text: str) -> str | None:
    """Return an error line if the key of an override is a misspelt argument of gan-search, otherwise None."""
    key = text.partition("=")[0]
    if key == "objective" or not difflib.get_close_matches(key, Request.model_fields, 1, 0.7):
        return None
    return f"{hide_password(text)}: no such argument; {suggest(key, Request.model_fields)}"


def prepare_study(request: Request, space: Space, configs: Sequence[Plain]) -> Study:
    """Return the study of these configs, the corners of the space; its storage is not yet open. Raises UserError."""
    from gan_lightning.sweep.search.study import Study
    from gan_lightning.sweep.search.types import SearchSettings

    name = request.study or "+".join(dict.fromkeys(str(plain["name"]) for plain in configs))
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(f"study={name}: should be a word: letters, digits and . _ + -, a letter or digit first")
    steps = min(plain["trainer"]["max_steps"] for plain in configs)
    warm_up = steps // 4 if request.warm_up is None else request.warm_up
    settings = SearchSettings(request.trials, request.sampler, request.sampler_seed, request.prune, warm_up)
    return Study(Path("search") / name, name, space, common_objectives(request.objectives, configs), settings)


def run_trials(study: Study) -> None:
    """Claim and run trials until none is left, after a line on what the study has and what it optimizes."""
    from gan_lightning.sweep.search.trial import Attempt

    before = Counter(trial.state.name for trial in study.trials)
    goals = ", ".join(f"{'most' if o.maximize else 'least'} {o.name}" for o in study.objectives)
    earlier = f"; {count_states(before)} already" if before else ""
    print(f"{study.settings.trials} trials for {goals}{earlier} → {shorten_path(study.folder)}", flush=True)
    study.work(Attempt(study))


if __name__ == "__main__":
    main()
