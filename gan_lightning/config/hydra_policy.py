"""What a config may ask of Hydra itself. Hydra instantiates its own nodes before a job is checked, so they are read first.

Launcher and sweeper are among a few exact names, callbacks are none, logging makes only what Hydra's own options make. What
runs in a shell on a cluster, and where else configs are looked for, is typed by a person and not read from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

PLUGINS = {
    "launcher": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    ),
    "sweeper": ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper",),
}
ELSEWHERE = PLUGINS["launcher"][-1:]  # of these, those whose jobs run on other machines
SHELL = ("setup", "python", "srun_args", "additional_parameters", "container_image", "container_mounts")
LOGGING = ("job_logging", "hydra_logging")
MADE = ("logging.Formatter", "logging.StreamHandler", "logging.FileHandler", "colorlog.ColoredFormatter")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
LOG_FILE = "${hydra.runtime.output_dir}/${hydra.job.name}.log"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def find_policy_mistakes(hydra: DictConfig, typed: Iterable[str]) -> Iterator[str]:
    """What of the composed `hydra` node is refused, one line each; `typed`: the keys of the command line."""
    node: dict[str, Any] = {str(k): v for k, v in OmegaConf.to_container(hydra, resolve=False).items()}  # type: ignore[union-attr]
    for place, allowed in PLUGINS.items():
        plugin = node.get(place)
        target = plugin.get("_target_") if isinstance(plugin, dict) else plugin
        if target not in allowed:
            yield f"hydra.{place}._target_: {target} is not allowed; allowed: {', '.join(allowed)}"
        elif isinstance(plugin, dict):
            for key in SHELL:
                if plugin.get(key) and f"hydra.{place}.{key}" not in typed:
                    yield f"hydra.{place}.{key}: runs commands, so no file may set it; type it on the command line"
            yield from targets(f"hydra.{place}", {k: v for k, v in plugin.items() if k != "_target_"})
    if node.get("callbacks"):
        yield "hydra.callbacks: none may be set; to watch a run, write an option of the callback group"
    for place in LOGGING:
        if node.get(place) is not None:
            yield from makers(f"hydra.{place}", node[place])
    job = node.get("job")
    variables = job.get("env_set") if isinstance(job, dict) else job
    if not isinstance(variables, dict):
        yield f"hydra.job.env_set: {variables} is no mapping"
    else:
        for name in variables.keys() - set(VARIABLES):
            yield f"hydra.job.env_set.{name}: may not be set by a config; allowed: {', '.join(VARIABLES)}"
    rest = {k: v for k, v in node.items() if k not in (*PLUGINS, *LOGGING, "callbacks")}
    yield from targets("hydra", rest)


def targets(path: str, node: Any) -> Iterator[str]:
    """Targets where none belongs."""
    for key, value in entries(node):
        if key == "_target_":
            yield f"{path}._target_: nothing with a target may stand here"
        yield from targets(f"{path}.{key}", value)


def makers(path: str, node: Any) -> Iterator[str]:
    """What `logging.config` would call or import: factories, classes, and text that stands for an object."""
    if isinstance(node, str) and (("${" in node and node != LOG_FILE) or ("://" in node and node not in STREAMS)):
        yield f"{path}: {node} may not stand here; allowed: plain text, {', '.join(STREAMS)}"
    for key, value in entries(node):
        if key in ("()", "class", "_target_", ".") and value not in MADE:
            yield f"{path}.{key}: {value} is not allowed; allowed: {', '.join(MADE)}"
        elif key == "filename" and value != LOG_FILE:
            yield f"{path}.{key}: {value} may not be written; allowed: {LOG_FILE}"
        else:
            yield from makers(f"{path}.{key}", value)


def entries(node: Any) -> list[tuple[str, Any]]:
    """Keys and values of a mapping or a list."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(str(key), value) for key, value in pairs]


def refuse_searchpath(path: Any) -> str | None:
    """Why configs may not come from here: Hydra would import a package to look into it."""
    places = path if isinstance(path, list) else [path]
    wrong = [str(place) for place in places if "://" in str(place) and not str(place).startswith("file://")]
    return f"hydra.searchpath: {wrong[0]} may not be read; allowed: folders, as file://FOLDER" if wrong else None
