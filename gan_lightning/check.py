"""A composed config → all its mistakes, before data are read or weights allocated; and which classes a config may name.

A constructor's annotations are its schema: every node with a `_target_` is bound to its class's signature, up the bases
through `**kwargs`, and every key must be read by a constructor or by an interpolation. A target is refused by its name before
anything is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import math
import os
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import Plain, Refused, nearest, resolved

READ = {"name", "seed", "debug", "objective"}  # by the commands themselves
OPTIMIZERS = {f"torch.optim.{name}" for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")}
LOGGERS = {f"pytorch_lightning.loggers.{name}Logger" for name in ("CSV", "MLFlow", "TensorBoard", "Wandb")}
DATASETS = {f"torchvision.datasets.{name}" for name in ("EMNIST", "FakeData", "FashionMNIST", "KMNIST", "QMNIST", "USPS")}
FOREIGN = {"pytorch_lightning.Trainer"} | OPTIMIZERS | LOGGERS | DATASETS
TRAINER = [  # what a config may choose of Lightning's Trainer
    "_target_", "max_steps", "accelerator", "devices", "num_nodes", "precision", "strategy", "deterministic", "benchmark",
    "detect_anomaly", "profiler",
]  # fmt: skip
PACKAGES = "GAN_LIGHTNING_PACKAGES"
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
REFERENCE = re.compile(r"\$\{([.\w]+)\}")


class Role(NamedTuple):
    """What may stand at a place of the config."""

    base: str  # a class that the target is, or derives from
    room: str  # the module or package of ours that it lies in


ROLES = {
    "gan": Role("gan_lightning.gan.GAN", "gan_lightning.gan"),
    "ema": Role("gan_lightning.ema.EMA", "gan_lightning.ema"),
    "model.generator": Role("torch.nn.Module", "gan_lightning.model"),
    "model.discriminator": Role("torch.nn.Module", "gan_lightning.model"),
    "loss": Role("gan_lightning.loss.base.AdversarialLoss", "gan_lightning.loss"),
    "regularizer.*": Role("gan_lightning.regularizer.base.Regularizer", "gan_lightning.regularizer"),
    "augmentation": Role("gan_lightning.augmentation.base.Augmentation", "gan_lightning.augmentation"),
    "prior": Role("gan_lightning.prior.base.Prior", "gan_lightning.prior"),
    "data": Role("gan_lightning.data.base.Data", "gan_lightning.data"),
    "metric.*": Role("gan_lightning.metric.base.Score", "gan_lightning.metric"),
    "callback.*": Role("pytorch_lightning.Callback", "gan_lightning.callback"),
    "checkpoint": Role("gan_lightning.callback.checkpoint.Checkpoint", "gan_lightning.callback"),
    "optimizer.generator": Role("torch.optim.Optimizer", "torch.optim"),
    "optimizer.discriminator": Role("torch.optim.Optimizer", "torch.optim"),
    "optimizer.schedule": Role("gan_lightning.schedule.Schedule", "gan_lightning.schedule"),
    "trainer": Role("pytorch_lightning.Trainer", "pytorch_lightning"),
    "logger": Role("pytorch_lightning.loggers.logger.Logger", "pytorch_lightning.loggers"),
}
OPTIONAL = ("regularizer.*", "metric.*", "callback.*", "logger")
NEEDED = [place for place in ROLES if place not in OPTIONAL]


def check(config: DictConfig) -> Plain:
    """The config as a plain dict that can be built as it stands. Raises Refused with every mistake, one line each."""
    plain = resolved(config)
    reads = dict(references(OmegaConf.to_container(config, resolve=False)))
    mistakes: dict[str, str] = {}  # by key: the first word on it is enough
    for line in inspected(plain, set(reads.values())):
        line = named(line, reads)
        mistakes.setdefault(line.partition(": ")[0], line)
    if mistakes:
        raise Refused(*mistakes.values())
    return plain


def named(line: str, reads: Mapping[str, str]) -> str:
    """The mistake at the key that a person typed, not at the one that reads it."""
    path, colon, rest = line.partition(": ")
    while reader := next((r for r in reads if path == r or path.startswith(r + ".")), None):
        path = reads[reader] + path.removeprefix(reader)
    return path + colon + rest


def inspected(plain: Plain, read: set[str]) -> Iterator[str]:
    """Every mistake that the config's words alone show."""
    for path, value in leaves(plain, every=True):
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{path}: {value} should be a finite number"
    for place in NEEDED:
        node: Any = plain
        for key in place.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, str | int | list):
            yield f"{place}: {json.dumps(node)} is no object; to choose an option: {place.replace('.', '/')}={node}"
        elif not isinstance(node, dict) or "_target_" not in node:
            yield f"{place}: missing; the group {place.partition('.')[0]} needs an option with a _target_ here"
    idle = {path for path, node in leaves(plain) if not isinstance(node, dict) and not is_read(path, read)}
    known = {path for path, _ in leaves(plain, every=True)} - idle
    known |= {path[:dot] for path in known for dot in range(len(path)) if path[dot] == "."}
    for path, node in leaves(plain):
        if isinstance(node, dict):
            yield from bound(path, node, role(path))
        elif path in idle:
            yield f"{path}: no such key; {nearest(path, known)}"
    yield from own(plain)


def own(plain: Plain) -> Iterator[str]:
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


def is_read(path: str, read: set[str]) -> bool:
    """Whether a command or an interpolation reads this key."""
    return path.partition(".")[0] in READ or any(path == r or path.startswith(r + ".") for r in read)


def leaves(node: Any, path: str = "", every: bool = False) -> Iterator[tuple[str, Any]]:
    """Every outermost node with a target, and every value that stands outside one; `every`: the values inside, too."""
    own = isinstance(node, dict) and "_target_" in node
    if own or not isinstance(node, dict):
        yield path, node
    if isinstance(node, dict) and (every or not own):
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


def role(path: str) -> Role | None:
    """What may stand here by the place's name; places inside a node go by their constructor's annotation."""
    return ROLES.get(path) or ROLES.get(path.rpartition(".")[0] + ".*")


def refused(path: str, name: Any, wanted: Role | None) -> str | None:
    """Why this target may not stand here: by its name, before anything is imported, then by its class."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"{path}._target_: {name} is no dotted name of a class"
    if wanted is None:
        return f"{path}._target_: nothing with a target may stand here; {nearest(path, ROLES)}"
    module, _, cls = name.rpartition(".")
    trusted = [p for p in os.environ.get(PACKAGES, "").split(",") if p]
    ours = module == wanted.room or re.fullmatch(re.escape(wanted.room) + r"\.\w+", module) is not None
    ours = ours and module.startswith("gan_lightning.") and not module.endswith(".base")
    if not (ours or name in FOREIGN or module.partition(".")[0] in trusted):
        if module.startswith("gan_lightning."):
            return f"{path}._target_: {name} may not stand here; allowed: classes in {wanted.room}"
        here = [n for n in FOREIGN if n.rpartition(".")[0] == wanted.room] or [f"classes in {wanted.room}"]
        package = module.partition(".")[0]
        cure = (
            "" if package in {*sys.stdlib_module_names, "torch"} else f"; to trust a package of your own: {PACKAGES}={package}"
        )
        return f"{path}._target_: {name} is not allowed; allowed: {', '.join(sorted(here))}{cure}"
    if module.partition(".")[0] in trusted and not {"", str(Path.cwd())} & set(sys.path):
        sys.path.append(str(Path.cwd()))  # a console script, unlike python -m, does not look here
    try:
        found = vars(importlib.import_module(module)).get(cls)
    except Exception as error:  # a module of the user's may fail in any way
        return f"{path}._target_: importing {module} fails: {type(error).__name__}: {error}"
    base = located(wanted.base)
    if not isinstance(found, type):
        return f"{path}._target_: {module} has no class {cls}; {nearest(cls, classes(module, base))}"
    if not issubclass(found, base) or (ours and found.__module__ != module):
        return f"{path}._target_: {name} is no {base.__name__} of {wanted.room}; {nearest(cls, classes(module, base))}"
    return None


def classes(module: str, base: type) -> list[str]:
    """The classes of this kind that a module defines."""
    return [
        n
        for n, c in vars(importlib.import_module(module)).items()
        if isinstance(c, type) and issubclass(c, base) and c is not base
    ]


def located(name: str) -> Any:
    """What a dotted name means; only for names that were allowed."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


class Parameter(NamedTuple):
    """One key that a constructor takes."""

    annotation: Any
    default: Any  # ...: none


def constructor(cls: type) -> dict[str, Parameter]:
    """Key → what it takes, up the bases as long as a constructor passes `**kwargs` on."""
    found: dict[str, Parameter] = {}
    owners = [c for c in cls.__mro__ if "__init__" in vars(c)]
    first = owners[0]
    for owner in owners:
        init = inspect.unwrap(vars(owner)["__init__"])
        own = list(inspect.signature(init).parameters.values())[1:]
        hints = types_of(init)
        for p in own:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                needed = p.default is p.empty and owner is first  # a base's may be given by the class itself
                found.setdefault(p.name, Parameter(hints.get(p.name, Any), ... if needed else p.default))
        if all(p.kind is not p.VAR_KEYWORD for p in own):
            break
    return found


def types_of(init: Any) -> dict[str, Any]:
    """Parameter → type; one that its module imports for type checkers only is left out."""
    found: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(init).items():
        with contextlib.suppress(NameError):
            lone = types.SimpleNamespace(__annotations__={name: annotation})
            found |= typing.get_type_hints(lone, init.__globals__, include_extras=True)
    return found


def bound(path: str, node: Plain, wanted: Role | None) -> Iterator[str]:
    """Every mistake of one node with a target, and of those inside it."""
    if why := refused(path, node["_target_"], wanted):
        yield why
        return
    if "_partial_" in node and not (node["_partial_"] is True and path in PARTIAL):
        yield f"{path}._partial_: {json.dumps(node['_partial_'])} may not stand here"
        return
    target = located(node["_target_"])
    parameters, given = constructor(target), given_to(path)
    values = {k: v for k, v in node.items() if k not in ("_target_", "_partial_")}
    open_keys = [f"{path}.{k}" for k in parameters if k not in given and (path != "trainer" or k in TRAINER)]
    for key in values.keys() - parameters.keys():
        yield f"{path}.{key}: no such key; {nearest(f'{path}.{key}', open_keys)}"
    for key in values.keys() & set(given):
        yield f"{path}.{key}: set by the framework, not by a config"
    for key in set(NEEDED_KEYS.get(path, ())) - values.keys():
        yield f"{path}.{key}: missing; it is needed"
    for key in parameters.keys() & values.keys():
        value = values[key]
        if isinstance(value, dict) and "_target_" in value:
            yield from bound(f"{path}.{key}", value, by_annotation(parameters[key].annotation))
            del values[key]
    checked = {k: p for k, p in parameters.items() if k in values or (p.default is ... and k not in given and k not in node)}
    found = list(validated(path, {k: v for k, v in values.items() if k in parameters}, checked))
    yield from found
    if not found and (wanted == ROLES["optimizer.generator"]) and not values.keys() - parameters.keys():
        yield from unfit(path, target, values)


GIVEN = {  # what build.py hands to these places itself
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
    "callback.*": ("run", "data", "metrics"),
    "checkpoint": ("run",),
    "logger": ("save_dir",),
    "optimizer.generator": ("params",),
    "optimizer.discriminator": ("params",),
}
PARTIAL = ("optimizer.generator", "optimizer.discriminator")
NEEDED_KEYS = {  # what is read before there are objects
    "gan": ("latent_dim", "d_steps_per_g_step", "accumulate", "packing"),
    "data": ("sample_shape", "num_classes", "batch_size"),
}


def given_to(path: str) -> tuple[str, ...]:
    """The keys that a config may not set here."""
    return GIVEN.get(path) or GIVEN.get(path.rpartition(".")[0] + ".*") or ()


def by_annotation(annotation: Any) -> Role | None:
    """The role of a node inside another: a class of ours, or a dataset, that the parameter's annotation names."""
    for option in (annotation, *typing.get_args(annotation)):
        if isinstance(option, type) and option.__module__.startswith("gan_lightning."):
            return Role(f"{option.__module__}.{option.__name__}", option.__module__.removesuffix(".base"))
        origin = typing.get_origin(option) or option
        if isinstance(origin, type) and origin.__module__.startswith("torch.utils.data"):
            return Role("torch.utils.data.Dataset", "torchvision.datasets")
    return None


def validated(path: str, values: Plain, parameters: Mapping[str, Parameter]) -> Iterator[str]:
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


def unfit(path: str, optimizer: Any, values: Plain) -> Iterator[str]:
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
