"""A search's best trial as an experiment of its own: what was chosen of each group, then the values, as they were typed.

It is composed again behind its writing, and compared with what the trial was trained with.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from gan_lightning.config.compose import Composer, quote_value
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import differences, resolve
from gan_lightning.run.directory import shorten_path
from gan_lightning.storage import atomic

PLAIN = re.compile(r"[\w/.:-]+")  # what Hydra reads without quotes


class Recipe(NamedTuple):
    """An experiment that a search has found."""

    name: str  # of its file
    words: list[str]  # the overrides that it stands for
    comment: list[str]  # lines of its head


class ExperimentFolder:
    """`SEARCH/experiment/`, and how a command finds it beside a person's own configs."""

    def __init__(self, folder: Path, composer: Composer, extra_dir: str | None) -> None:
        self.folder, self.composer, self.extra_dir = folder, composer, extra_dir

    def command(self, name: str) -> list[str]:
        """What to type to train it."""
        switches = [] if self.composer.name == "train" else ["--config-name", self.composer.name]
        return ["gan-train", "--config-dir", str(shorten_path(self.folder)), *switches, *self.words(name)]

    def words(self, name: str) -> list[str]:
        """Its overrides: where a person's own options lie, if there are any, and itself."""
        if self.extra_dir is None:
            return [f"experiment={name}"]
        place = f"file://{Path(self.extra_dir).absolute()}"
        return [f"hydra.searchpath=[{place if PLAIN.fullmatch(place) else quote_value(place)}]", f"experiment={name}"]

    def keep(self, recipes: Sequence[Recipe]) -> list[str]:
        """Write them, in place of those that lie here. Returns what is wrong, a line for each that gives another config."""
        place = self.folder / "experiment"
        place.mkdir(parents=True, exist_ok=True)
        for recipe in recipes:
            head = ["# @package _global_", f"# {shlex.join(self.command(recipe.name))}", *(f"# {c}" for c in recipe.comment)]
            text = "\n".join(" ".join(line.splitlines()) for line in head)
            atomic.write_text(place / f"{recipe.name}.yaml", f"{text}\n{self.body(recipe.words)}")
        names = {recipe.name for recipe in recipes}
        for path in place.glob("best*.yaml"):
            if path.stem not in names:
                path.unlink(missing_ok=True)
        return [line for recipe in recipes if (line := self.wrong(recipe))]

    def body(self, words: list[str]) -> str:
        """Defaults and values, as yaml."""
        composer = self.composer
        parsed = composer.parse(words)
        chosen = {o.key_or_group: o.value() for o in parsed if composer.is_group(o)}
        begins = chosen.pop("experiment", "digits")  # what train.yaml begins with
        defaults: list[Any] = [begins] if begins is not None else []
        defaults += [{f"override /{group}": option} for group, option in chosen.items()]
        values = OmegaConf.create({})
        for override in parsed:
            if not composer.is_group(override):
                OmegaConf.update(values, override.key_or_group, override.value(), merge=True, force_add=True)
        parts = [OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults})) if defaults else ""]
        return "\n".join([*parts, OmegaConf.to_yaml(values) if len(values) else ""])

    def wrong(self, recipe: Recipe) -> str | None:
        """Where the file gives another config than the trial's; the trial's own words give it in any case."""
        try:
            config = Composer(str(self.folder), self.composer.name).compose(self.words(recipe.name))
            changed = differences(resolve(self.composer.compose(recipe.words)), resolve(config))
        except UserError as error:
            changed = list(error.lines)
        if not changed:
            return None
        own = shlex.join(["gan-train", *recipe.words])
        return f"experiment/{recipe.name}.yaml: gives another config than its trial's ({'; '.join(changed)}); use {own}"
