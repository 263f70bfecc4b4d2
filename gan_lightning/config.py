"""Where configs live, and how a command line becomes one: a plain dict that is checked and built from.

Only Hydra and OmegaConf are imported here, so that `--help` and `--cfg job` answer at once.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, errors
from omegaconf.resolvers import oc

from gan_lightning import launch

Plain = dict[str, Any]
LISTS = ("callback", "metric", "regularizer")  # groups whose options can be combined: regularizer=[r1,r2]
READABLE = ("HOME", "MLFLOW_TRACKING_URI", "TMPDIR", "USER")  # by a config, of the environment
VARIABLES = "GAN_LIGHTNING_VARIABLES"


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """What a person asked for can't be done: one line a mistake, exit code 2."""

    code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Unwritten(Refused):
    """What was made can't be kept: the disk is full, or its filesystem fails. A sentence, and an exit code of its own."""

    code = 74  # EX_IOERR in sysexits.h


def refuse(error: Refused, debug: bool = False) -> int:
    """One line a mistake on stderr; the exit code."""
    if debug:
        traceback.print_exc()
    for line in error.lines:
        print(line, file=sys.stderr)
    return error.code


def config_dir() -> Path:
    """The folder of `train.yaml`: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "train.yaml").exists())


def nearest(word: str, words: Iterable[str]) -> str:
    """How a refusal ends: the word that was probably meant, and what stands beside it."""
    known = sorted(set(words))
    parent, _, leaf = word.rpartition(".")
    leaves = {key.rpartition(".")[2]: key for key in reversed(known)}
    near = difflib.get_close_matches(word, known, 1, 0.7) or [
        leaves[k] for k in difflib.get_close_matches(leaf, leaves, 1, 0.65)
    ]
    beside = [key for key in known if key.rpartition(".")[0] == (near[0].rpartition(".")[0] if near else parent)]
    beside = beside or [key for key in known if "." not in key]
    guess = [f"did you mean {near[0]}?"] if near else []
    return " ".join([*guess, f"allowed: {', '.join(key.rpartition('.')[2] for key in beside) or 'nothing'}"])


class Composer:
    """Hydra's own composition, asked before Hydra's command begins, so that its answers can be put in one line."""

    def __init__(self, extra_dir: str | None = None, config_name: str | None = None) -> None:
        """`extra_dir` and `config_name` are `--config-dir` and `--config-name`."""
        search = create_config_search_path(str(config_dir()))
        if extra_dir is not None:
            if not Path(extra_dir).is_dir():
                raise Refused(f"--config-dir: there is no folder {extra_dir}")
            search.prepend("command-line", f"file://{Path(extra_dir).resolve()}", SearchPathQuery(provider="schema"))
        self.name = config_name or "train"
        self.known: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}
        self.names: dict[str, list[str]] = {}
        GlobalHydra.instance().clear()
        self.hydra = Hydra.create_main_hydra2("train", search)
        GlobalHydra.instance().clear()  # Hydra's command makes its own

    def jobs(self, overrides: list[str], multirun: bool) -> list[list[str]]:
        """What each job of a sweep overrides; a single run is a sweep of one. Raises Refused."""
        try:
            parsed = self.parse(overrides)
            return BasicSweeper.split_arguments(parsed, None)[0] if multirun else [overrides]
        except HydraException as error:
            raise Refused(one_line(error)) from None

    def compose(self, overrides: list[str]) -> DictConfig:
        """The config, interpolations kept.

        Keys that the config does not have are let in: the check names all of them at once, with the nearest. Raises Refused.
        """
        parsed = self.parse(overrides)
        chosen = [o.input_line or "" for o in parsed if self.chooses(o)]
        if missing := [line for o in parsed if (line := self.no_option(o))]:
            raise Refused(*missing)
        found = copy.deepcopy(self.chosen(chosen)[0])
        typed = [(o, o.input_line or "") for o in parsed if not self.chooses(o)]
        values = self.parse([word if added(o) or o.is_delete() else f"++{word}" for o, word in typed])
        try:
            ConfigLoaderImpl._apply_overrides_to_config(values, found)
        except (HydraException, errors.OmegaConfBaseException) as error:
            raise Refused(one_line(error)) from None
        return found

    def chooses(self, override: Override) -> bool:
        """Whether it decides which files are composed, or concerns Hydra itself; all else is a value put on top."""
        return self.is_group(override) or override.key_or_group.startswith("hydra.")

    def chosen(self, overrides: list[str]) -> tuple[DictConfig, DictConfig]:
        """What a choice of options gives before any value is put on top, and Hydra's own node.

        Composed once for all the jobs that share it. Raises Refused.
        """
        key = tuple(overrides)
        if key not in self.known:
            self.known[key] = self._composed(overrides)
        return self.known[key]

    def _composed(self, overrides: list[str]) -> tuple[DictConfig, DictConfig]:
        parsed = self.parse(overrides)
        if missing := self.elsewhere(parsed):
            raise Refused(*missing)
        try:
            found = self.hydra.compose_config(self.name, overrides, RunMode.RUN, from_shell=True, with_log_configuration=False)
        except MissingConfigException as error:
            group, _, option = (error.missing_cfg_file or "").rpartition("/")
            raise Refused(
                f"{group}={option}: no such option; {nearest(option, error.options or self.options(group))}"
            ) from None
        except (HydraException, errors.OmegaConfBaseException) as error:
            raise Refused(one_line(error)) from None
        OmegaConf.set_struct(found, False)
        hydra = found.pop("hydra")
        if lines := list(launch.mistakes(hydra, {o.key_or_group for o in parsed})):
            raise Refused(*lines)
        return found, hydra

    def elsewhere(self, overrides: list[Override]) -> list[str]:
        """Mistakes in where else configs are looked for, on the command line or in the primary config."""
        loaded = self.hydra.config_loader.repository.load_config(self.name)  # type: ignore[attr-defined]
        places = [OmegaConf.select(loaded.config, "hydra.searchpath")] if loaded else []
        places += [o.value() for o in overrides if o.key_or_group == "hydra.searchpath" and not o.is_delete()]
        return [line for place in places if (line := launch.elsewhere(place))]

    def refuse_new(self, overrides: list[str]) -> None:
        """Raises Refused for what Hydra itself would stop at: keys that are new to the config, given without a plus."""
        parsed = self.parse(overrides)
        choices = [o.input_line or "" for o in parsed if self.chooses(o) or added(o)]
        known = OmegaConf.to_container(self.compose(choices), resolve=False)
        assert isinstance(known, dict)
        leaves = flat({str(key): value for key, value in known.items()})
        lines = [
            f"{o.key_or_group}: not in this config; to add it: +{o.input_line}"
            for o in parsed
            if not (self.chooses(o) or added(o) or o.is_delete())
            and not any(key == o.key_or_group or key.startswith(o.key_or_group + ".") for key in leaves)
        ]
        if lines:
            raise Refused(*lines)

    def refuse_unwritable(self, kind: Literal["run", "sweep"], overrides: list[str]) -> None:
        """Raises Refused if the folder of `hydra.run.dir` or `hydra.sweep.dir` can't be made, before Hydra tries."""
        written = str(self.of_hydra(overrides)[kind]["dir"])
        known, unknown, _ = written.partition("${")  # what follows is known only when it starts
        if unknown:
            known = (known.rpartition("/")[0] or ".") if known else ""
        if known:
            folder = Path(known).expanduser()
            there = next((p for p in (folder, *folder.parents) if p.exists()), Path())
            if not (there.is_dir() and os.access(there, os.W_OK)):
                why = "no folder" if not there.is_dir() else "not writable"
                raise Refused(f"hydra.{kind}.dir={known}: {there} is {why}")

    def of_hydra(self, overrides: list[str]) -> Plain:
        """Hydra's own node as these options make it, interpolations kept. Raises Refused."""
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
                return f"{override.key_or_group}={name}: no such option; {nearest(name, options)}"
        return None

    def parse(self, overrides: list[str]) -> list[Override]:
        """Hydra's reading of a command line. Raises Refused."""
        try:
            return OverridesParser.create(self.hydra.config_loader).parse_overrides(overrides)
        except HydraException as error:
            raise Refused(one_line(error)) from None


def quoted(text: str) -> str:
    """As a value that Hydra's grammar reads back as this text."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def added(override: Override) -> bool:
    """Whether it may name a new key: typed with + or ++."""
    return bool(override.is_add() or override.is_force_add())


def one_line(error: BaseException) -> str:
    """The first line of what a library says; where a command line can't be read, also why."""
    said = [line for line in str(error).splitlines() if line.strip()]
    return "; ".join(said[: 2 if isinstance(error, OverrideParseException) else 1]) or type(error).__name__


def keys(node: Any, path: str = "") -> Iterator[str]:
    """The dotted key of every leaf."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from keys(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path


def resolved(config: DictConfig) -> Plain:
    """All interpolations followed. Raises Refused, naming the key."""
    written = OmegaConf.to_container(config, resolve=False)
    if missing := [key for key, value in flat(dict(written)).items() if value == "???"]:  # type: ignore[arg-type]
        raise Refused(*(f"{key}: missing; it is needed: {key}=…" for key in missing))
    OmegaConf.register_new_resolver("oc.env", of_the_environment, replace=True)
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except errors.OmegaConfBaseException as error:
        said = one_line(error).removeprefix("Refused raised while resolving interpolation: ")
        raise Refused(f"{error.full_key}: {said}") from None
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def of_the_environment(name: str, *default: Any) -> Any:
    """`${oc.env:NAME}`, of the few that any config may read: a stranger's could carry a password into a file or a logger."""
    trusted = (*READABLE, *os.environ.get(VARIABLES, "").split(","))
    if name not in trusted:
        raise Refused(f"reads {name} of the environment; allowed: {', '.join(READABLE)}; to allow it: {VARIABLES}={name}")
    return oc.env(name, *default)


def stored(path: Path) -> Plain:
    """A resolved config as it was written, read in C where there is libyaml: ten times as fast. Raises OSError, YAMLError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_bytes())
    try:
        found: Plain = loader.get_single_data()
    finally:
        loader.dispose()
    return found


def differences(old: Plain, new: Plain) -> list[str]:
    """`key: old → new` for every leaf that differs."""
    before, after = flat(old), flat(new)
    return [
        f"{key}: {before.get(key, 'unset')} → {after.get(key, 'unset')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, "unset") != after.get(key, "unset")
    ]


def flat(plain: Plain) -> Plain:
    """Dotted key → leaf."""
    found: Plain = {}
    for key in keys(plain):
        node: Any = plain
        for part in key.split("."):
            node = node[part]
        found[key] = node
    return found


def switches(line: list[str]) -> argparse.Namespace:
    """Hydra's own reading of a command line. Raises Refused."""

    def wrong(message: str) -> NoReturn:
        raise Refused(message)

    known = get_args_parser()
    known.error = wrong  # type: ignore[method-assign]
    asked = known.parse_args(line)
    if asked.experimental_rerun:  # Hydra unpickles it
        raise Refused("--experimental-rerun: not here; to go on with a run: gan-train run=RUN_DIR")
    if asked.config_path:
        raise Refused("--config-path: not here; to add configs of your own: --config-dir FOLDER")
    return asked
