"""Where configs live, and how a command line becomes one: a plain dict that is checked and built from.

Only Hydra and OmegaConf are imported here, so that `--help` and `--cfg job` answer at once.
"""

from __future__ import annotations

import argparse
import copy
import os
from pathlib import Path
from typing import Literal, NoReturn

from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, errors

from gan_lightning.config import hydra_policy
from gan_lightning.config.errors import UserError, one_line, suggest
from gan_lightning.config.hydra_internals import (
    BasicSweeper,
    ConfigLoaderImpl,
    Hydra,
    create_config_search_path,
    get_args_parser,
)
from gan_lightning.config.resolve import Plain, flatten

LISTS = ("callback", "metric", "regularizer")  # groups whose options can be combined: regularizer=[r1,r2]


def config_dir() -> Path:
    """The folder of `train.yaml`: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "train.yaml").exists())


class Composer:
    """Hydra's own composition, asked before Hydra's command begins, so that its answers can be put in one line."""

    def __init__(self, extra_dir: str | None = None, config_name: str | None = None) -> None:
        """`extra_dir` and `config_name` are `--config-dir` and `--config-name`."""
        search = create_config_search_path(str(config_dir()))
        if extra_dir is not None:
            if not Path(extra_dir).is_dir():
                raise UserError(f"--config-dir: there is no folder {extra_dir}")
            search.prepend("command-line", f"file://{Path(extra_dir).resolve()}", SearchPathQuery(provider="schema"))
        self.name = config_name or "train"
        self.known: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}
        self.names: dict[str, list[str]] = {}
        GlobalHydra.instance().clear()
        self.hydra = Hydra.create_main_hydra2("train", search)
        GlobalHydra.instance().clear()  # Hydra's command makes its own

    def jobs(self, overrides: list[str], multirun: bool) -> list[list[str]]:
        """What each job of a sweep overrides; a single run is a sweep of one. Raises UserError."""
        try:
            parsed = self.parse(overrides)
            return BasicSweeper.split_arguments(parsed, None)[0] if multirun else [overrides]
        except HydraException as error:
            raise UserError(one_line(error)) from None

    def compose(self, overrides: list[str]) -> DictConfig:
        """The config, interpolations kept.

        Keys that the config does not have are let in: the check names all of them at once, with the nearest. Raises UserError.
        """
        parsed = self.parse(overrides)
        chosen = [o.input_line or "" for o in parsed if self.chooses(o)]
        if missing := [line for o in parsed if (line := self.no_option(o))]:
            raise UserError(*missing)
        found = copy.deepcopy(self.chosen(chosen)[0])
        typed = [(o, o.input_line or "") for o in parsed if not self.chooses(o)]
        values = self.parse([word if is_added(o) or o.is_delete() else f"++{word}" for o, word in typed])
        try:
            ConfigLoaderImpl._apply_overrides_to_config(values, found)
        except (HydraException, errors.OmegaConfBaseException) as error:
            raise UserError(one_line(error)) from None
        return found

    def chooses(self, override: Override) -> bool:
        """Whether it decides which files are composed, or concerns Hydra itself; all else is a value put on top."""
        return self.is_group(override) or override.key_or_group.startswith("hydra.")

    def chosen(self, overrides: list[str]) -> tuple[DictConfig, DictConfig]:
        """What a choice of options gives before any value is put on top, and Hydra's own node.

        Composed once for all the jobs that share it. Raises UserError.
        """
        key = tuple(overrides)
        if key not in self.known:
            self.known[key] = self._composed(overrides)
        return self.known[key]

    def _composed(self, overrides: list[str]) -> tuple[DictConfig, DictConfig]:
        parsed = self.parse(overrides)
        if missing := self.elsewhere(parsed):
            raise UserError(*missing)
        try:
            found = self.hydra.compose_config(self.name, overrides, RunMode.RUN, from_shell=True, with_log_configuration=False)
        except MissingConfigException as error:
            group, _, option = (error.missing_cfg_file or "").rpartition("/")
            raise UserError(
                f"{group}={option}: no such option; {suggest(option, error.options or self.options(group))}"
            ) from None
        except (HydraException, errors.OmegaConfBaseException) as error:
            raise UserError(one_line(error)) from None
        OmegaConf.set_struct(found, False)
        hydra = found.pop("hydra")
        if lines := list(hydra_policy.find_policy_mistakes(hydra, {o.key_or_group for o in parsed})):
            raise UserError(*lines)
        return found, hydra

    def elsewhere(self, overrides: list[Override]) -> list[str]:
        """Mistakes in where else configs are looked for, on the command line or in the primary config."""
        loaded = self.hydra.config_loader.repository.load_config(self.name)  # type: ignore[attr-defined]
        places = [OmegaConf.select(loaded.config, "hydra.searchpath")] if loaded else []
        places += [o.value() for o in overrides if o.key_or_group == "hydra.searchpath" and not o.is_delete()]
        return [line for place in places if (line := hydra_policy.refuse_searchpath(place))]

    def refuse_new(self, overrides: list[str]) -> None:
        """Raises UserError for what Hydra itself would stop at: keys that are new to the config, given without a plus."""
        parsed = self.parse(overrides)
        choices = [o.input_line or "" for o in parsed if self.chooses(o) or is_added(o)]
        known = OmegaConf.to_container(self.compose(choices), resolve=False)
        assert isinstance(known, dict)
        leaves = flatten({str(key): value for key, value in known.items()})
        lines = [
            f"{o.key_or_group}: not in this config; to add it: +{o.input_line}"
            for o in parsed
            if not (self.chooses(o) or is_added(o) or o.is_delete())
            and not any(key == o.key_or_group or key.startswith(o.key_or_group + ".") for key in leaves)
        ]
        if lines:
            raise UserError(*lines)

    def refuse_unwritable(self, kind: Literal["run", "sweep"], overrides: list[str]) -> None:
        """Raises UserError if the folder of `hydra.run.dir` or `hydra.sweep.dir` can't be made, before Hydra tries."""
        written = str(self.of_hydra(overrides)[kind]["dir"])
        known, unknown, _ = written.partition("${")  # what follows is known only when it starts
        if unknown:
            known = (known.rpartition("/")[0] or ".") if known else ""
        if known:
            folder = Path(known).expanduser()
            there = next((p for p in (folder, *folder.parents) if p.exists()), Path())
            if not (there.is_dir() and os.access(there, os.W_OK)):
                why = "no folder" if not there.is_dir() else "not writable"
                raise UserError(f"hydra.{kind}.dir={known}: {there} is {why}")

    def of_hydra(self, overrides: list[str]) -> Plain:
        """Hydra's own node as these options make it, interpolations kept. Raises UserError."""
        parsed = self.parse(overrides)
        found = self.chosen([o.input_line or "" for o in parsed if self.chooses(o) and not o.is_sweep_override()])[1]
        return {str(k): v for k, v in OmegaConf.to_container(found, resolve=False).items()}  # type: ignore[union-attr]

    def output_dir(self, overrides: list[str]) -> str:
        """`hydra.run.dir` as it is now, with the time and an id of its own."""
        hydra = self.hydra.compose_config(self.name, overrides, RunMode.RUN, with_log_configuration=False).hydra
        return str(hydra.run.dir)

    def options(self, group: str) -> list[str]:
        """The names a group's option may have."""
        if group not in self.names:
            self.names[group] = self.hydra.config_loader.get_group_options(group, ObjectType.CONFIG)
        return self.names[group]

    def is_group(self, override: Override) -> bool:
        """Whether this chooses an option of a group rather than a value."""
        return bool(override.package) or bool(self.options(override.key_or_group))

    def no_option(self, override: Override) -> str | None:
        """A line for an override that chooses what is not there, or several where one is wanted."""
        if override.is_sweep_override():
            several = ",".join(override.sweep_string_iterator())
            combined = f"; to combine them: '{override.key_or_group}=[{several}]'" if override.key_or_group in LISTS else ""
            return f"{override.key_or_group}={several}: to run one after the other use -m{combined}"
        options = self.options(override.key_or_group)
        if not options or override.is_delete():
            return None
        value = override.value()
        if isinstance(value, list) and override.key_or_group not in LISTS:
            return f"{override.key_or_group}={value}: takes one option; several can be given to {', '.join(LISTS)}"
        for choice in value if isinstance(value, list) else [value]:
            name = "null" if choice is None else str(choice)
            if name not in options and "/" not in name:
                return f"{override.key_or_group}={name}: no such option; {suggest(name, options)}"
        return None

    def parse(self, overrides: list[str]) -> list[Override]:
        """Hydra's reading of a command line. Raises UserError."""
        try:
            return OverridesParser.create(self.hydra.config_loader).parse_overrides(overrides)
        except HydraException as error:
            raise UserError(one_line(error)) from None


def quote_value(text: str) -> str:
    """As a value that Hydra's grammar reads back as this text."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def is_added(override: Override) -> bool:
    """Whether it may name a new key: typed with + or ++."""
    return bool(override.is_add() or override.is_force_add())


def parse_switches(line: list[str]) -> argparse.Namespace:
    """Hydra's own reading of a command line. Raises UserError."""

    def wrong(message: str) -> NoReturn:
        raise UserError(message)

    known = get_args_parser()
    known.error = wrong  # type: ignore[method-assign]
    asked = known.parse_args(line)
    if asked.experimental_rerun:  # Hydra unpickles it
        raise UserError("--experimental-rerun: not here; to go on with a run: gan-train run=RUN_DIR")
    if asked.config_path:
        raise UserError("--config-path: not here; to add configs of your own: --config-dir FOLDER")
    return asked
