"""Composition of an override list into one config, by Hydra's own loader.

Imports only Hydra and OmegaConf, so that `--help` and `--cfg job` start fast.
"""

from __future__ import annotations

import copy
import difflib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, errors

from gan_lightning.config import hydra_policy
from gan_lightning.config.config_files import find_cause, find_package_mistake, find_package_mistakes
from gan_lightning.config.errors import UserError, one_line, suggest
from gan_lightning.config.hydra_internals import (
    BasicSweeper,
    ConfigLoaderImpl,
    Hydra,
    create_config_search_path,
)
from gan_lightning.config.interpolations import references
from gan_lightning.config.option_checks import find_option_mistake
from gan_lightning.config.parent import NO_EXPERIMENT, replace_groups
from gan_lightning.config.quoting import describe_unreadable
from gan_lightning.config.resolve import Plain, above, flatten, to_plain
from gan_lightning.config.site_file import read_site
from gan_lightning.storage.home import expand_home

ALMOST_EQUAL = 0.9  # difflib's ratio of two keys of which one is probably a misspelt form of the other


def config_dir() -> Path:
    """Return the folder of `train.yaml`: inside the package if installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "train.yaml").exists())


class Composer:
    """Compose configs before `hydra.main` runs, so that every error is a UserError. Raises UserError for a missing folder."""

    def __init__(self, extra_dir: str | None = None, config_name: str | None = None, parent: DictConfig | None = None) -> None:
        """`extra_dir` and `config_name` are the values of `--config-dir` and `--config-name`; `parent` is a fork's."""
        search = create_config_search_path(str(config_dir()))
        if extra_dir is not None:
            if not (extra_dir and Path(extra_dir).is_dir()):
                raise UserError(f"--config-dir: there is no folder {extra_dir or 'without a name'}")
            search.prepend("command-line", f"file://{Path(extra_dir).resolve()}", SearchPathQuery(provider="schema"))
            if (Path(extra_dir) / "hydra").is_dir():
                raise UserError(
                    f"{Path(extra_dir) / 'hydra'}: no folder of yours may hold options of Hydra's; type them: hydra.…="
                )
        self.name, self.extra_dir = config_name or "train", Path(extra_dir) if extra_dir else None
        self.parent = parent
        self._compositions: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}  # by choices
        self._options: dict[str, list[str]] = {}  # by group
        GlobalHydra.instance().clear()  # hydra.main initializes its own instance
        self.hydra = Hydra("train", hydra_policy.CheckedLoader(search))

    def jobs(self, overrides: list[str], multirun: bool) -> list[list[str]]:
        """Return the overrides of each job of a sweep; without `multirun` one job. Raises UserError."""
        try:
            parsed = self.parse(overrides)
            return BasicSweeper.split_arguments(parsed, None)[0] if multirun else [overrides]
        except HydraException as error:
            raise UserError(one_line(error)) from None

    def compose(self, overrides: list[str]) -> DictConfig:
        """Return the config, interpolations unresolved.

        Unknown keys are accepted, because `validate` reports all of them at once. Raises UserError.
        """
        parsed = self.parse(overrides)
        choices = [o.input_line or "" for o in parsed if self.is_choice(o)]
        if mistakes := [line for o in parsed if (line := find_option_mistake(o, self.options, self.extra_dir))]:
            raise UserError(*mistakes)
        config = copy.deepcopy(self.compose_choices(choices)[0])
        if self.parent is not None:
            groups = {o.key_or_group for o in parsed if self.is_group(o) and not hydra_policy.concerns_hydra(o)}
            config = replace_groups(self.parent, config, groups, lambda group: bool(self.options(group)))
        values = [(o, o.input_line or "") for o in parsed if not self.is_choice(o)]
        forced = self.parse([line if is_added(o) or o.is_delete() else f"++{line}" for o, line in values])
        try:
            ConfigLoaderImpl._apply_overrides_to_config(forced, config)
        except (HydraException, errors.OmegaConfBaseException) as error:
            raise UserError(one_line(error)) from None
        return config

    def is_choice(self, override: Override) -> bool:
        """Return whether the override selects the files to compose or concerns Hydra; any other sets a value afterwards."""
        return self.is_group(override) or override.key_or_group.startswith("hydra.")

    def compose_choices(self, choices: list[str]) -> tuple[DictConfig, DictConfig]:
        """Return the config of these choices, before any value is set, and Hydra's own node. Raises UserError.

        Cached, because the jobs of a sweep share few combinations of choices.
        """
        key = tuple(choices)
        if key not in self._compositions:
            self._compositions[key] = self._compose_choices(choices)
        return self._compositions[key]

    def _compose_choices(self, choices: list[str]) -> tuple[DictConfig, DictConfig]:
        parsed = self.parse(choices)
        typed = [*self.site_overrides(choices), *([NO_EXPERIMENT] if self.parent is not None else []), *choices]
        foreign = self.extra_dir is not None or any(o.key_or_group == "hydra.searchpath" for o in parsed)
        try:
            config = self.hydra.compose_config(self.name, typed, RunMode.RUN, from_shell=True, with_log_configuration=False)
        except MissingConfigException as error:
            group, _, option = (error.missing_cfg_file or "").rpartition("/")
            raise UserError(
                f"{group}={option}: no such option; {suggest(option, error.options or self.options(group))}"
            ) from None
        except (HydraException, errors.OmegaConfBaseException, yaml.YAMLError, OSError, ValueError, AttributeError) as error:
            raise UserError(*(self._package_mistakes(parsed, None) or find_cause(error, self.extra_dir))) from None
        OmegaConf.set_struct(config, False)
        if mistakes := self._package_mistakes(parsed, config):
            raise UserError(*mistakes)
        hydra = config.pop("hydra")
        if foreign:
            of_hydra = [o.input_line or "" for o in self.parse(typed) if o.is_hydra_override()]
            alone = [text for text in of_hydra if "hydra.searchpath" not in text]
            if changed := hydra_policy.find_difference(hydra, Composer().compose_choices(alone)[1]):
                where = f"--config-dir {self.extra_dir}" if self.extra_dir else "hydra.searchpath"
                based = "" if self.name == "train" else "; the defaults of a primary config begin with train"
                raise UserError(f"{where}: its files change {', '.join(changed)}; {hydra_policy.CURE}{based}")
        if lines := list(hydra_policy.find_node_mistakes(hydra)):
            raise UserError(*lines)
        return config, hydra

    def site_overrides(self, overrides: Sequence[str]) -> list[str]:
        """Return the values of the user's site file if a launcher that reads it is chosen. Raises UserError."""
        chosen = [str(o.value()) for o in self.parse(list(overrides)) if o.key_or_group == "hydra/launcher" and o.value()]
        return read_site(self.extra_dir, chosen[-1], config_dir()) if self.extra_dir and chosen else []

    def _package_mistakes(self, choices: list[Override], config: DictConfig | None) -> list[str]:
        """Return the mistake in the first line of the chosen experiment, if it lies in the user's own folder.

        Otherwise return those of all experiments there, unless their keys have come to their places in `config`.
        """
        if self.extra_dir is None:
            return []
        chosen = next((str(o.value()) for o in reversed(choices) if o.key_or_group == "experiment"), "")
        if line := find_package_mistake(self.extra_dir / "experiment" / f"{chosen}.yaml"):
            return [line]
        astray = config is None or OmegaConf.is_dict(config.get("experiment"))
        return list(find_package_mistakes(self.extra_dir)) if astray else []

    def refuse_misspelt(self, overrides: list[str]) -> None:
        """Reject keys of almost the same name as another, without the imports of `validate`. Raises UserError."""
        known = {path for key in flatten(self._without_values(overrides)) for path in above(key)}
        new = [o.key_or_group for o in self._new_keys(overrides, known)]
        if misspelt := [key for key in new if difflib.get_close_matches(key, known, 1, ALMOST_EQUAL)]:
            raise UserError(*(f"{key}: no such key; {suggest(key, known)}" for key in misspelt))

    def refuse_new(self, overrides: list[str]) -> None:
        """Reject keys that the config does not have and that are typed without a plus, as Hydra does. Raises UserError.

        Rejected, too, are keys with a plus beside the players' nodes that neither of them reads.
        """
        plain = self._without_values(overrides)
        leaves, read = flatten(plain), {key for _, key in references(plain)}
        new = self._new_keys(overrides, {path for key in leaves for path in above(key)})
        lines = [f"{o.key_or_group}: not in this config; to add it: {shlex.quote(f'+{o.input_line}')}" for o in new]
        lines += [
            f"{o.key_or_group}: no such key; neither player of this model reads it"
            for o in self.parse(overrides)
            if is_added(o) and o.key_or_group.rpartition(".")[0] == "model" and o.key_or_group in leaves.keys() - read
        ]
        if lines:
            raise UserError(*lines)

    def _without_values(self, overrides: list[str]) -> Plain:
        """Return the config of the typed choices and of the keys that are typed with a plus."""
        kept = [o.input_line or "" for o in self.parse(overrides) if self.is_choice(o) or is_added(o)]
        return to_plain(self.compose(kept))

    def _new_keys(self, overrides: list[str], known: set[str]) -> list[Override]:
        """Return the overrides that set a key which is not `known`, without a plus."""
        parsed = self.parse(overrides)
        return [o for o in parsed if not (self.is_choice(o) or is_added(o) or o.is_delete() or o.key_or_group in known)]

    def refuse_unwritable(self, kind: Literal["run", "sweep"], overrides: list[str]) -> None:
        """Reject a `hydra.run.dir` or `hydra.sweep.dir` that can't be made, before Hydra tries. Raises UserError."""
        configured = str(self.of_hydra(overrides)[kind]["dir"])
        if not configured:
            raise UserError(f"hydra.{kind}.dir=: empty; give a folder")
        known, interpolation, _ = configured.partition("${")  # what follows is known only at the start of the run
        if interpolation:
            known = (known.rpartition("/")[0] or ".") if known else ""
        if known:
            folder = expand_home(known)
            existing = next((p for p in (folder, *folder.parents) if p.exists()), Path())
            if not (existing.is_dir() and os.access(existing, os.W_OK)):
                why = "no folder" if not existing.is_dir() else "not writable"
                raise UserError(f"hydra.{kind}.dir={known}: {existing} is {why}")

    def of_hydra(self, overrides: list[str]) -> Plain:
        """Return Hydra's own node of the config, interpolations unresolved. Raises UserError."""
        parsed = self.parse(overrides)
        choices = [o.input_line or "" for o in parsed if self.is_choice(o) and not o.is_sweep_override()]
        return to_plain(self.compose_choices(choices)[1])

    def for_hydra(self, overrides: list[str]) -> list[str]:
        """Return overrides as Hydra itself takes them; a fork's values may be of keys that only its parent has."""
        if self.parent is None:
            return overrides
        parsed = zip(self.parse(overrides), overrides, strict=True)
        return [NO_EXPERIMENT, *(text if self.is_choice(o) else f"++{text.lstrip('+')}" for o, text in parsed)]

    def output_dir(self, overrides: list[str]) -> str:
        """Return `hydra.run.dir` with the present time and a new random id."""
        hydra = self.hydra.compose_config(self.name, overrides, RunMode.RUN, with_log_configuration=False).hydra
        return str(hydra.run.dir)

    def options(self, group: str) -> list[str]:
        """Return the names of a group's options; empty if there is no such group."""
        if group not in self._options:
            self._options[group] = self.hydra.config_loader.get_group_options(group, ObjectType.CONFIG)
        return self._options[group]

    def is_group(self, override: Override) -> bool:
        """Return whether the override chooses an option of a group, as opposed to a value of a key."""
        return bool(override.package) or bool(self.options(override.key_or_group))

    def parse(self, overrides: list[str]) -> list[Override]:
        """Parse overrides by Hydra's grammar. Raises UserError."""
        try:
            return OverridesParser.create(self.hydra.config_loader).parse_overrides(overrides)
        except HydraException as error:
            raise UserError(describe_unreadable(error)) from None


def is_added(override: Override) -> bool:
    """Return whether the override may add a key: it begins with + or ++."""
    return bool(override.is_add() or override.is_force_add())
