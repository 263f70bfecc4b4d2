"""The best trial of a search as an experiment file: its choices of groups, then its values, as they were typed.

Each file is composed again after it is written, and the config is compared with the one that the trial was trained with.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import differences, resolve
from gan_lightning.run.directory import shorten_path
from gan_lightning.run.own_files import require_own_files
from gan_lightning.storage import atomic

UNQUOTED = re.compile(r"[\w/.:-]+")  # what Hydra reads without quotes


class Experiment(NamedTuple):
    """Describe an experiment file to write."""

    name: str  # of its file, without the suffix
    overrides: list[str]  # of the trial
    comment: list[str]  # lines at the top of the file


class ExperimentFolder:
    """Write experiments to `SEARCH/experiment/`; `extra_dir` is the folder of the user's own configs, if there is one."""

    def __init__(self, folder: Path, composer: Composer, extra_dir: str | None) -> None:
        self.folder, self.composer, self.extra_dir = folder, composer, extra_dir

    def command(self, name: str) -> list[str]:
        """Return the command that trains an experiment, as a list of arguments."""
        switches = [] if self.composer.name == "train" else ["--config-name", self.composer.name]
        return ["gan-train", "--config-dir", str(shorten_path(self.folder)), *switches, *self.overrides(name)]

    def overrides(self, name: str) -> list[str]:
        """Return the overrides that select an experiment, with the search path of the user's own configs."""
        if self.extra_dir is None:
            return [f"experiment={name}"]
        url = f"file://{Path(self.extra_dir).absolute()}"
        return [f"hydra.searchpath=[{url if UNQUOTED.fullmatch(url) else quote_value(url)}]", f"experiment={name}"]

    def write(self, experiments: Sequence[Experiment]) -> list[str]:
        """Write the experiments in place of earlier ones, and return an error line for each that gives another config."""
        folder = self.folder / "experiment"
        require_own_files(self.folder, 1)
        folder.mkdir(parents=True, exist_ok=True)
        for experiment in experiments:
            head = ["# @package _global_", f"# {shlex.join(self.command(experiment.name))}"]
            head += [f"# {line}" for line in experiment.comment]
            text = "\n".join(" ".join(line.splitlines()) for line in head)
            atomic.write_text(folder / f"{experiment.name}.yaml", f"{text}\n{self.to_yaml(experiment.overrides)}")
        names = {experiment.name for experiment in experiments}
        for path in folder.glob("best*.yaml"):
            if path.stem not in names:
                path.unlink(missing_ok=True)
        return [line for experiment in experiments if (line := self.find_mismatch(experiment))]

    def to_yaml(self, overrides: list[str]) -> str:
        """Return the overrides as YAML: a defaults list, then the values."""
        composer = self.composer
        parsed = composer.parse(overrides)
        choices = {o.key_or_group: o.value() for o in parsed if composer.is_group(o)}
        base = choices.pop("experiment", "digits")  # the default of train.yaml
        defaults: list[Any] = [base] if base is not None else []
        defaults += [{f"override /{group}": option} for group, option in choices.items()]
        values = OmegaConf.create({})
        for override in parsed:
            if not composer.is_group(override):
                OmegaConf.update(values, override.key_or_group, override.value(), merge=True, force_add=True)
        parts = [OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults})) if defaults else ""]
        return "\n".join([*parts, OmegaConf.to_yaml(values) if len(values) else ""])

    def find_mismatch(self, experiment: Experiment) -> str | None:
        """Return an error line if the written file gives another config than the trial's; None if they are equal.

        The line ends with the trial's own overrides, which always give its config.
        """
        try:
            config = Composer(str(self.folder), self.composer.name).compose(self.overrides(experiment.name))
            changed = differences(resolve(self.composer.compose(experiment.overrides)), resolve(config))
        except UserError as error:
            changed = list(error.lines)
        if not changed:
            return None
        command = shlex.join(["gan-train", *experiment.overrides])
        file = f"experiment/{experiment.name}.yaml"
        return f"{file}: gives another config than its trial's ({'; '.join(changed)}); use {command}"
