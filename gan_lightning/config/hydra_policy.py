"""Hydra's own node of a config: it comes from this package's conf/ and from the command line alone.

Hydra builds its launcher, its sweeper, callbacks and logging from this node, and makes the folders that it names, before a
job's config is validated. Therefore no other file may set anything below `hydra`, except an experiment its
`hydra.sweeper.params`, which are planned and checked as if they were typed. Each file is checked before Hydra composes it,
and the composed node is then compared with the one that is composed without those files. What is typed is the user's own:
only mistakes in it are reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import threads

REMOTE_LAUNCHERS = (  # their jobs run on other machines
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
)
SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
OWN_PROVIDERS = ("hydra", "main")  # of Hydra's package and of this package's conf/
BELOW_HYDRA = re.compile(r"hydra($|\.)")  # a package
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
BOOKKEEPING = ("runtime", "overrides", "searchpath")  # keys of the node that say how it was composed
JOB_BOOKKEEPING = ("name", "config_name", "override_dirname")
CURE = "what is Hydra's own can only be typed on the command line"


def concerns_hydra(override: Override) -> bool:
    """Return whether an override sets something of Hydra's own node, by its key or by its package."""
    return any(re.match(r"hydra($|[./])", name or "") for name in (override.key_or_group, override.package))


def find_typed_mistakes(typed: Iterable[Override]) -> Iterator[str]:
    """Yield one line per typed value of Hydra's that holds a control character: a newline is a new line of a job's script."""
    for override in typed:
        text = override.input_line or ""
        if override.key_or_group.startswith(("hydra.launcher", "hydra.sweep", "hydra.job")) and CONTROL.search(text):
            yield f"{override.key_or_group}: {text!r} contains a line break or another control character; leave it out"


def find_node_mistakes(hydra: DictConfig) -> Iterator[str]:
    """Yield one line per mistake in the composed `hydra` node: a sweeper that has no plan, a wrong number of threads."""
    node = to_plain(hydra)
    sweeper = node.get("sweeper")
    if not isinstance(sweeper, dict) or sweeper.get("_target_") != SWEEPER:
        yield "hydra.sweeper: a sweep is planned by gan-train -m, so no other sweeper is possible; to search use gan-search"
    if not (isinstance(node.get("launcher"), dict) and "_target_" in node["launcher"]):
        yield "hydra.launcher: is no launcher; choose one: hydra/launcher=basic"
    job = node.get("job")
    variables = job.get("env_set") if isinstance(job, dict) else None
    if not isinstance(variables, dict):
        yield "hydra.job.env_set: is no mapping of variables; hydra.job.env_set.NAME=VALUE"
    else:
        value = str(variables.get(threads.VARIABLE, "1"))
        if "${" not in value and (mistake := threads.find_variable_mistake(value)):
            yield f"hydra.job.env_set.{threads.VARIABLE}: {mistake}; {threads.CURE}"


def find_file_mistakes(loader: ConfigLoader, name: str, typed: list[str]) -> Iterator[str]:
    """Yield one line per file of a composition that sets something of Hydra's, or that lies outside of the folders of configs.

    The primary config `name` comes first, because Hydra reads its search path to find the others. Raises Hydra's exceptions.
    """
    primary = loader.repository.load_config(name)  # type: ignore[attr-defined]
    if primary is not None and primary.provider not in OWN_PROVIDERS and (lines := [*find_keys(name, "", primary)]):
        yield from lines
        return
    repository = loader._parse_overrides_and_create_caching_repo(name, typed)[1]  # type: ignore[attr-defined]
    defaults = loader.compute_defaults_list(name, typed, RunMode.RUN).defaults
    for path, package in dict.fromkeys((entry.config_path, entry.package or "") for entry in defaults if entry.config_path):
        if {"..", ""} & {*path.split("/")}:
            yield f"{path}: an option is a file of its group's folder; its name contains no .. and no empty part"
            continue
        found = repository.load_config(path)
        if found is not None and found.provider not in OWN_PROVIDERS and not found.path.startswith("structured:"):
            yield from find_keys(path, package, found)
        elif BELOW_HYDRA.match(package) and not path.startswith("hydra/"):
            yield f"{path}: is put into {package} by @{package}; {CURE}"


def find_keys(path: str, package: str, found: ConfigResult) -> Iterator[str]:
    """Yield a line if a file's content, merged at `package`, sets a key of Hydra's other than an experiment's sweep."""
    suffix = "" if path.endswith((".yaml", ".yml")) else ".yaml"
    file = f"{found.path.removeprefix('file://')}/{path}{suffix}"
    if BELOW_HYDRA.match(package):
        yield f"{file}: sets {package}; {CURE}"
    elif package in ("", "_global_") and OmegaConf.is_dict(found.config) and "hydra" in found.config:
        node = OmegaConf.to_container(found.config, resolve=False)["hydra"]  # type: ignore[call-overload, index]
        swept = node["sweeper"].get("params") if isinstance(node, dict) and isinstance(node.get("sweeper"), dict) else None
        if not (path.startswith("experiment/") and node == {"sweeper": {"params": swept}} and isinstance(swept, dict)):
            keys = [f"hydra.{key}" for key in node] if isinstance(node, dict) else ["hydra"]
            yield f"{file}: sets {', '.join(keys)}; {CURE}"


def find_difference(node: DictConfig, reference: DictConfig) -> list[str]:
    """Return the keys of Hydra's node that differ from the node of conf/ and the command line alone."""
    found, expected = comparable(node), comparable(reference)
    return [f"hydra.{key}" for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]


def comparable(node: DictConfig) -> dict[str, Any]:
    """Return Hydra's node without its bookkeeping and the sweep of an experiment."""
    plain = {key: value for key, value in to_plain(node).items() if key not in BOOKKEEPING}
    for key, unneeded in (("job", JOB_BOOKKEEPING), ("sweeper", ("params",))):
        if isinstance(plain.get(key), Mapping):
            plain[key] = {name: value for name, value in plain[key].items() if name not in unneeded}
    return plain


def to_plain(node: DictConfig) -> dict[str, Any]:
    """Return the node as a plain dict, interpolations unresolved."""
    return {str(key): value for key, value in OmegaConf.to_container(node, resolve=False).items()}  # type: ignore[union-attr]
