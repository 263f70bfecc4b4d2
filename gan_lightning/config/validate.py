"""A composed config → all its mistakes, before data are read or weights allocated.

A constructor's annotations are its schema: every node with a `_target_` is bound to its class's signature, up the bases
through `**kwargs`, and every key must be read by a constructor or by an interpolation.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.compose import config_dir
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain, resolve
from gan_lightning.config.targets import (
    ROLES,
    Parameter,
    Role,
    constructor_parameters,
    import_object,
    refuse_target,
    role,
    role_by_annotation,
)

READ = {"name", "seed", "debug", "objective", "fork"}  # by the commands themselves
TRAINER = [  # what a config may choose of Lightning's Trainer
    "_target_", "max_steps", "accelerator", "devices", "num_nodes", "precision", "strategy", "deterministic", "benchmark",
    "detect_anomaly", "profiler",
]  # fmt: skip
REFERENCE = re.compile(r"\$\{([.\w]+)\}")
OPTIONAL = ("regularizer.*", "metric.*", "callback.*", "logger", "trainer.strategy")
NEEDED = [place for place in ROLES if place not in OPTIONAL]


def validate(config: DictConfig) -> Plain:
    """The config as a plain dict that can be built as it stands. Raises UserError with every mistake, one line each."""
    plain = resolve(config)
    reads = dict(references(OmegaConf.to_container(config, resolve=False)))
    mistakes: dict[str, str] = {}  # by key: the first word on it is enough
    for line in find_mistakes(plain, set(reads.values())):
        line = at_typed_key(line, reads)
        mistakes.setdefault(line.partition(": ")[0], line)
    if mistakes:
        raise UserError(*mistakes.values())
    return plain


def at_typed_key(line: str, reads: Mapping[str, str]) -> str:
    """The mistake at the key that a person typed, not at the one that reads it."""
    path, colon, rest = line.partition(": ")
    while reader := next((r for r in reads if path == r or path.startswith(r + ".")), None):
        path = reads[reader] + path.removeprefix(reader)
    return path + colon + rest


def find_mistakes(plain: Plain, read: set[str]) -> Iterator[str]:
    """Every mistake that the config's words alone show."""
    for path, value in leaves(plain, every=True):
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                yield f"{path}: {number} should be a finite number"
    for place in NEEDED:
        node: Any
        grouped = (config_dir() / place.replace(".", "/")).is_dir()  # or one of several nodes that an option has
        node, at, group = plain, "", place if grouped else place.rpartition(".")[0]
        for key in place.split("."):
            if isinstance(node, dict):
                node, at = node.get(key), f"{at}.{key}".lstrip(".")
        if isinstance(node, str | int | list):
            option = f"{group.replace('.', '/')}={node if at == group else '…'}"
            yield f"{at}: {json.dumps(node)} is no object; to choose an option: {option}"
        elif not isinstance(node, dict) or "_target_" not in node:
            yield f"{place}: missing; the group {group.replace('.', '/')} needs an option with a _target_ here"
    idle = {path for path, node in leaves(plain) if not isinstance(node, dict) and not is_read(path, read)}
    known = {path for path, _ in leaves(plain, every=True)} - idle
    known |= {path[:dot] for path in known for dot in range(len(path)) if path[dot] == "."}
    for path, node in leaves(plain):
        if isinstance(node, dict):
            yield from find_node_mistakes(path, node, role(path))
        elif path in idle:
            yield f"{path}: no such key; {suggest(path, known)}"
    yield from find_value_mistakes(plain)


def find_value_mistakes(plain: Plain) -> Iterator[str]:
    """Mistakes in the few values that the commands read by themselves."""
    seed, name, debug, objective = (plain.get(key) for key in ("seed", "name", "debug", "objective"))
    if type(seed) is not int or not 0 <= seed < 2**32:
        yield f"seed: {json.dumps(seed)} should be a whole number from 0 to {2**32 - 1}"
    if not re.fullmatch(r"\w[\w.+-]*", str(name)):
        yield f"name: {json.dumps(name)} should be a word: letters, digits and . _ + -, a letter or digit first"
    if not isinstance(debug, bool):
        yield f"debug: {json.dumps(debug)} should be true or false"
    if not (objective is None or isinstance(objective, str)):
        yield f"objective: {json.dumps(objective)} should be a score's name, or null"
    fork = plain.get("fork")
    of = [(key, type(value)) for key, value in sorted(fork.items())] if isinstance(fork, dict) else fork
    if not (of is None or of == [("run", str), ("step", int)]):
        yield f"fork: {json.dumps(fork)} should be null, or the run and the step to go on from: gan-train fork=RUN_DIR step=N"


def is_read(path: str, read: set[str]) -> bool:
    """Whether a command or an interpolation reads this key."""
    return path.partition(".")[0] in READ or any(path == r or path.startswith(r + ".") for r in read)


def leaves(node: Any, path: str = "", every: bool = False) -> Iterator[tuple[str, Any]]:
    """Every outermost node with a target, and every value that stands outside one; `every`: the values inside, too."""
    find_value_mistakes = isinstance(node, dict) and "_target_" in node
    if find_value_mistakes or not isinstance(node, dict):
        yield path, node
    if isinstance(node, dict) and (every or not find_value_mistakes):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}".lstrip("."), every)


def references(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(reader, what it reads) for each interpolation of an unresolved config."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        here = (*path, str(key))
        yield from references(value, here)
        for inner in REFERENCE.findall(value) if isinstance(value, str) else ():
            up = len(inner) - len(inner.lstrip("."))
            yield ".".join(here), ".".join([*(path[: len(path) + 1 - up] if up else ()), inner.lstrip(".")])


def find_node_mistakes(path: str, node: Plain, wanted: Role | None) -> Iterator[str]:
    """Every mistake of one node with a target, and of those inside it."""
    if why := refuse_target(path, node["_target_"], wanted):
        yield why
        return
    if "_partial_" in node and not (node["_partial_"] is True and path in PARTIAL):
        yield f"{path}._partial_: {json.dumps(node['_partial_'])} may not stand here"
        return
    target = import_object(node["_target_"])
    parameters, given = constructor_parameters(target), keys_set_by_framework(path)
    values = {k: v for k, v in node.items() if k not in ("_target_", "_partial_")}
    open_keys = [f"{path}.{k}" for k in parameters if k not in given and (path != "trainer" or k in TRAINER)]
    for key in values.keys() - parameters.keys():
        if new := next((name for name in RENAMED.get(key, ()) if name in parameters), None):
            yield f"{path}.{key}: renamed; use {path}.{new}"
            continue
        yield f"{path}.{key}: no such key; {suggest(f'{path}.{key}', open_keys)}"
    for key in values.keys() & set(given):
        yield f"{path}.{key}: set by the framework, not by a config"
    for key in set(NEEDED_KEYS.get(path, ())) - values.keys():
        yield f"{path}.{key}: missing; it is needed"
    for key in parameters.keys() & values.keys():
        value = values[key]
        if isinstance(value, dict) and "_target_" in value:
            yield from find_node_mistakes(
                f"{path}.{key}", value, role(f"{path}.{key}") or role_by_annotation(parameters[key].annotation)
            )
            del values[key]
    checked = {k: p for k, p in parameters.items() if k in values or (p.default is ... and k not in given and k not in node)}
    found = list(find_type_mistakes(path, {k: v for k, v in values.items() if k in parameters}, checked))
    if not target.__module__.startswith("gan_lightning."):
        small = [k for k, v in values.items() if k in LEAST and isinstance(v, int | float) and v < LEAST[k]]
        found += [f"{path}.{k}: {values[k]} should be at least {LEAST[k]}" for k in small]
    yield from found
    if not found and (wanted == ROLES["optimizer.generator"]) and not values.keys() - parameters.keys():
        yield from find_optimizer_mistakes(path, target, values)


SET_BY_FRAMEWORK = {  # what build.py hands to these places itself
    "gan": (
        "generator",
        "discriminator",
        "loss",
        "regularizers",
        "augmentation",
        "prior",
        "ema",
        "optimizers",
        "schedule",
        "seed",
    ),
    "ema": ("generator",),
    "data": ("seed", "batches_per_step"),
    "metric.*": ("feature",),
    "callback.*": ("run", "data", "metrics"),
    "checkpoint": ("run",),
    "logger": ("save_dir", "experiment"),
    "optimizer.generator": ("params",),
    "optimizer.discriminator": ("params",),
}
LEAST = {"dampening": 0, "flush_logs_every_n_steps": 1, "version": 0}  # of libraries' numbers, which say no range
PARTIAL = ("optimizer.generator", "optimizer.discriminator")
NEEDED_KEYS = {  # what is read before there are objects
    "gan": ("latent_dim", "d_steps_per_g_step", "accumulate_grad_batches", "packing"),
    "data": ("sample_shape", "num_classes", "batch_size"),
}


RENAMED = {  # key of an earlier version → its name today, by constructor
    "accumulate": ("accumulate_grad_batches",),
    "bits": ("num_binary",),
    "budget": ("max_image_mb",),
    "every": ("every_n_steps",),
    "fresh_z": ("resample_z",),
    "head_start": ("discriminator_warmup_steps",),
    "keep": ("save_last_k",),
    "sides": ("one_sided",),
    "until": ("decay_fraction", "warmup_fraction"),
    "workers": ("num_workers",),
}


def keys_set_by_framework(path: str) -> tuple[str, ...]:
    """The keys that a config may not set here."""
    return SET_BY_FRAMEWORK.get(path) or SET_BY_FRAMEWORK.get(path.rpartition(".")[0] + ".*") or ()


def find_type_mistakes(path: str, values: Plain, parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Mistakes in the values' kinds and ranges, as pydantic sees them.

    Strict and in JSON mode: a list may stand for a tuple, `true` is no integer, "3" is no number.
    """
    from pydantic import ConfigDict, ValidationError, create_model

    settings = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    fields: dict[str, Any] = {f"p_{k}": (p.annotation, ...) for k, p in parameters.items()}
    model = create_model("Node", __config__=settings, **fields)
    try:
        model.model_validate_json(json.dumps({f"p_{k}": v for k, v in values.items()}), strict=True)
    except ValidationError as error:
        said: dict[str, list[str]] = {}
        for e in error.errors():
            said.setdefault(str(e["loc"][0])[2:], [])
            if e["type"] not in ("needs_python_object", "is_instance_of"):  # the Tensor half of float | Tensor
                short = f"at least {e['loc'][-1] + 1} long" if e["type"] == "missing" and isinstance(e["loc"][-1], int) else ""
                said[str(e["loc"][0])[2:]].append(short or e["msg"].removeprefix("Input should be "))
        for key, texts in said.items():
            if key not in values:
                yield f"{path}.{key}: missing; it is needed"
            else:
                node = "a node with a _target_" if isinstance(values[key], dict) else "something else"
                allowed = " or ".join(dict.fromkeys(texts)) or node
                yield f"{path}.{key}: {json.dumps(values[key])} should be {allowed}"


def find_optimizer_mistakes(path: str, optimizer: Any, values: Plain) -> Iterator[str]:
    """An optimizer knows its own ranges: the key without which it can be made is the wrong one."""
    import torch

    def trial(kept: Plain) -> Exception | None:
        try:
            optimizer([torch.zeros(1)], **kept)
        except Exception as error:  # whatever it raises is its word on these values
            return error
        return None

    if error := trial(values):
        wrong = next((k for k in values if not trial({i: v for i, v in values.items() if i != k})), "_target_")
        yield f"{path}.{wrong}: {error}"
