"""The restrictions on Hydra's own node of a config, checked before Hydra instantiates anything from it.

Hydra instantiates its launcher, sweeper, callbacks and logging before a job's config is validated. Therefore a launcher or
sweeper must be one of a few exact classes, callbacks are rejected, and logging may use the classes of Hydra's own options
only. Commands that run in a shell on a cluster must be typed on the command line, because a config file may be a stranger's.
Configs are searched for in folders only, because Hydra would import a package in order to search it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import threads

PLUGINS = {
    "launcher": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    ),
    "sweeper": ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper",),
}
REMOTE_LAUNCHERS = PLUGINS["launcher"][-1:]  # their jobs run on other machines
SHELL_KEYS = ("setup", "python", "srun_args", "additional_parameters", "container_image", "container_mounts")
LOGGING_NODES = ("job_logging", "hydra_logging")
LOGGING_CLASSES = ("logging.Formatter", "logging.StreamHandler", "logging.FileHandler", "colorlog.ColoredFormatter")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
LOG_FILE = "${hydra.runtime.output_dir}/${hydra.job.name}.log"
ENVIRONMENT_VARIABLES = ("CUDA_VISIBLE_DEVICES", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def find_policy_mistakes(hydra: DictConfig, typed_keys: Iterable[str]) -> Iterator[str]:
    """Yield one line per restriction that the composed `hydra` node violates; `typed_keys` are those of the command line."""
    node: dict[str, Any] = {str(k): v for k, v in OmegaConf.to_container(hydra, resolve=False).items()}  # type: ignore[union-attr]
    for name in PLUGINS:
        yield from find_plugin_mistakes(name, node.get(name), typed_keys)
    if node.get("callbacks"):
        yield "hydra.callbacks: none may be set; to watch a run, write an option of the callback group"
    for name in LOGGING_NODES:
        if node.get(name) is not None:
            yield from find_logging_mistakes(f"hydra.{name}", node[name])
    job = node.get("job")
    variables = job.get("env_set") if isinstance(job, dict) else job
    if not isinstance(variables, dict):
        yield f"hydra.job.env_set: {variables} is no mapping"
    else:
        for name in variables.keys() - set(ENVIRONMENT_VARIABLES):
            yield f"hydra.job.env_set.{name}: may not be set by a config; allowed: {', '.join(ENVIRONMENT_VARIABLES)}"
        value = str(variables.get(threads.VARIABLE, "1"))
        if "${" not in value and (mistake := threads.find_variable_mistake(value)):
            yield f"hydra.job.env_set.{threads.VARIABLE}: {mistake}; {threads.CURE}"
    yield from find_targets("hydra", {k: v for k, v in node.items() if k not in (*PLUGINS, *LOGGING_NODES, "callbacks")})


def find_plugin_mistakes(name: str, plugin: Any, typed_keys: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes of the launcher's or the sweeper's node."""
    target = plugin.get("_target_") if isinstance(plugin, dict) else plugin
    if target not in PLUGINS[name]:
        yield f"hydra.{name}._target_: {target} is not allowed; allowed: {', '.join(PLUGINS[name])}"
    elif isinstance(plugin, dict):
        for key in SHELL_KEYS:
            if plugin.get(key) and f"hydra.{name}.{key}" not in typed_keys:
                yield f"hydra.{name}.{key}: runs commands, so no file may set it; type it on the command line"
        yield from find_targets(f"hydra.{name}", {k: v for k, v in plugin.items() if k != "_target_"})


def find_targets(path: str, node: Any) -> Iterator[str]:
    """Yield a line for each `_target_` in a node that may contain none."""
    for key, value in _entries(node):
        if key == "_target_":
            yield f"{path}._target_: no target is allowed here"
        yield from find_targets(f"{path}.{key}", value)


def find_logging_mistakes(path: str, node: Any) -> Iterator[str]:
    """Yield a line for each factory, class or object reference that `logging.config` would call or import."""
    if isinstance(node, str) and (("${" in node and node != LOG_FILE) or ("://" in node and node not in STREAMS)):
        yield f"{path}: {node} is not allowed here; allowed: plain text, {', '.join(STREAMS)}"
    for key, value in _entries(node):
        if key in ("()", "class", "_target_", ".") and value not in LOGGING_CLASSES:
            yield f"{path}.{key}: {value} is not allowed; allowed: {', '.join(LOGGING_CLASSES)}"
        elif key == "filename" and value != LOG_FILE:
            yield f"{path}.{key}: {value} may not be written; allowed: {LOG_FILE}"
        else:
            yield from find_logging_mistakes(f"{path}.{key}", value)


def find_searchpath_mistake(searchpath: Any) -> str | None:
    """Return an error line if a `hydra.searchpath` contains anything but folders, otherwise None."""
    places = searchpath if isinstance(searchpath, list) else [searchpath]
    wrong = [str(place) for place in places if "://" in str(place) and not str(place).startswith("file://")]
    return f"hydra.searchpath: {wrong[0]} may not be read; allowed: folders, as file://FOLDER" if wrong else None


def _entries(node: Any) -> list[tuple[str, Any]]:
    """Return the keys and values of a mapping, or the indices and values of a list; nothing for a scalar."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(str(key), value) for key, value in pairs]
