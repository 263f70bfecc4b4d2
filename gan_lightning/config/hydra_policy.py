"""Hydra's own node of a config: it comes from this package's conf/ and from the command line alone.

Hydra builds its launcher, its sweeper, callbacks and logging from this node, and makes the folders that it names, before a
job's config is validated. Therefore no other file may set anything below `hydra`, except an experiment its
`hydra.sweeper.params`, which are planned and checked as if they were typed. Each file is checked when Hydra loads it, and the
composed node is then compared with the one that is composed without those files. What is typed is the user's own:
only mistakes in it are reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import threads
from gan_lightning.config.errors import UserError
from gan_lightning.config.hydra_internals import CachingConfigRepository, ConfigLoaderImpl, IConfigRepository
from gan_lightning.config.interpolations import leaves, select
from gan_lightning.config.resolve import differences, to_plain

SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
OWN_PROVIDERS = ("hydra", "main")  # of Hydra's package and of this package's conf/
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
BOOKKEEPING = (  # keys of the node that say how it was composed, and the sweep of an experiment
    "runtime", "overrides", "searchpath", "job.name", "job.config_name", "job.override_dirname", "sweeper.params",
)  # fmt: skip
CURE = "what is Hydra's own can only be typed on the command line"


def concerns_hydra(override: Override) -> bool:
    """Return whether an override sets something of Hydra's own node, by its key or by its package."""
    return any(re.match(r"hydra($|[./])", name or "") for name in (override.key_or_group, override.package))


def find_node_mistakes(hydra: DictConfig) -> Iterator[str]:
    """Yield one line per mistake in the composed `hydra` node: a sweeper that has no plan, a wrong number of threads.

    A control character, too: a newline in a launcher's value is a new line of a job's script.
    """
    node = to_plain(hydra)
    for path, value in leaves(node):
        key = ".".join(path)
        if key.startswith(("launcher", "sweep", "job")) and CONTROL.search(f"{key}{value}"):
            yield f"hydra.{key}: {value!r} contains a line break or another control character; leave it out"
    if select(node, ("sweeper", "_target_")) != SWEEPER:
        yield "hydra.sweeper: a sweep is planned by gan-train -m, so no other sweeper is possible; to search use gan-search"
    if select(node, ("launcher", "_target_")) is None:
        yield "hydra.launcher: is no launcher; choose one: hydra/launcher=basic"
    variables = select(node, ("job", "env_set"))
    value = variables.get(threads.VARIABLE, "1") if isinstance(variables, dict) else ""  # the whole is an interpolation
    if "${" not in value and (mistake := threads.find_variable_mistake(value)):
        yield f"hydra.job.env_set.{threads.VARIABLE}: {mistake}; {threads.CURE}"


class CheckedLoader(ConfigLoaderImpl):
    """Load config files as Hydra does, but none that sets something of Hydra's, or lies outside of the folders of configs."""

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository
    ) -> None:
        """Check the primary config before Hydra reads its search path, which may be a package to import. Raises UserError."""
        primary = repo.load_config(config_name) if config_name else None
        if primary is not None and config_name:
            refuse_keys(config_name, primary)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        """Return a file's content at its place in the config. Raises UserError."""
        path = str(default.config_path)
        if {"..", ""} & {*path.split("/")}:
            raise UserError(f"{path}: an option is a file of its group's folder; its name contains no .. and no empty part")
        result: ConfigResult = super()._load_single_config(default, repo)
        refuse_keys(path, result, default.parent)
        return result


def refuse_keys(path: str, result: ConfigResult, parent: str | None = None) -> None:
    """Reject a file, listed in the defaults of `parent`, that sets a key of Hydra's other than an experiment's sweep.

    Raises UserError.
    """
    own = result.provider in OWN_PROVIDERS or result.path.startswith("structured:")
    hydras = own and (path == "train" or path.startswith("hydra/"))
    if hydras or not (OmegaConf.is_dict(result.config) and "hydra" in result.config):
        return
    node = to_plain(result.config)["hydra"]  # type: ignore[arg-type]
    swept = select(node, ("sweeper", "params"))
    if not (path.startswith("experiment/") and isinstance(swept, dict) and node == {"sweeper": {"params": swept}}):
        file = f"{result.path.removeprefix('file://')}/{path.removesuffix('.yaml')}.yaml"
        keys = ", ".join(f"hydra.{key}" for key in node) if isinstance(node, dict) else "hydra"
        raise UserError(f"{f'{path} in the defaults of {parent}' if own else file}: sets {keys}; {CURE}")


def find_difference(node: DictConfig, reference: DictConfig) -> list[str]:
    """Return the keys of Hydra's node that differ from the node of conf/ and the command line alone."""
    lines = differences(to_plain(reference), to_plain(node))
    return sorted({f"hydra.{re.split(r'[.:]', line)[0]}" for line in lines if not line.startswith(BOOKKEEPING)})
