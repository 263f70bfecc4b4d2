"""The checks of one config node with a `_target_`: its class, its keys and their values.

A constructor's annotations are the node's schema: a node may have the keys that its class's `__init__` takes, up the bases
through `**kwargs`, and pydantic checks the values by their annotations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gan_lightning.config.errors import suggest
from gan_lightning.config.resolve import Plain
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

TRAINER = [  # the arguments of Lightning's Trainer that a config may set
    "_target_", "max_steps", "accelerator", "devices", "num_nodes", "precision", "strategy", "deterministic", "benchmark",
    "detect_anomaly", "profiler",
]  # fmt: skip
SET_BY_FRAMEWORK = {  # arguments that config/instantiate.py or training/trainer.py supplies, by place
    "gan": (
        "generator", "discriminator", "loss", "regularizers", "augmentation", "prior", "ema", "optimizers", "seed",
    ),
    "ema": ("generator",),
    "data": ("seed", "batches_per_step"),
    "metric.*": ("feature",),
    "callback.*": ("run", "data", "metrics"),
    "checkpoint": ("run",),
    "logger": ("save_dir", "experiment"),
    "optimizer.generator": ("params",),
    "optimizer.discriminator": ("params",),
}  # fmt: skip
MINIMUM = {"dampening": 0, "flush_logs_every_n_steps": 1, "version": 0}  # of libraries' numbers, which have no range
PARTIAL = ("optimizer.generator", "optimizer.discriminator")  # nodes that are completed later: they need parameters
NEEDED_KEYS = {  # keys that are read before any object is instantiated
    "gan": ("latent_dim", "d_steps_per_g_step", "accumulate_grad_batches", "packing"),
    "data": ("sample_shape", "num_classes", "batch_size"),
    "trainer": ("max_steps",),
}
RENAMED = {  # key of an earlier version → its names today; the one that the constructor takes is meant
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


def find_node_mistakes(path: str, node: Plain, expected: Role | None) -> Iterator[str]:
    """Yield the mistakes of a node with a `_target_`, and of the nodes inside it."""
    if mistake := refuse_target(path, node["_target_"], expected):
        yield mistake
        return
    if "_partial_" in node and not (node["_partial_"] is True and path in PARTIAL):
        yield f"{path}._partial_: {json.dumps(node['_partial_'])} is not allowed here"
        return
    if path in PARTIAL and "_partial_" not in node:
        yield f"{path}._partial_: missing; it is needed: {path}._partial_=true"
        return
    target = import_object(node["_target_"])
    parameters = constructor_parameters(target)
    values = {k: v for k, v in node.items() if k not in ("_target_", "_partial_")}
    yield from find_key_mistakes(path, values, parameters)
    for key in parameters.keys() & values.keys():
        if isinstance(inner := values[key], dict) and "_target_" in inner:
            inner_role = role(f"{path}.{key}") or role_by_annotation(parameters[key].annotation)
            yield from find_node_mistakes(f"{path}.{key}", inner, inner_role)
            del values[key]
    required = [k for k, p in parameters.items() if p.default is ... and k not in keys_set_by_framework(path) and k not in node]
    checked = {k: p for k, p in parameters.items() if k in values or k in required}
    mistakes = list(find_type_mistakes(path, {k: v for k, v in values.items() if k in parameters}, checked))
    if not target.__module__.startswith("gan_lightning."):
        small = [k for k, v in values.items() if k in MINIMUM and isinstance(v, int | float) and v < MINIMUM[k]]
        mistakes += [f"{path}.{k}: {values[k]} should be at least {MINIMUM[k]}" for k in small]
    yield from mistakes
    if not mistakes and expected == ROLES["optimizer.generator"] and not values.keys() - parameters.keys():
        yield from find_optimizer_mistakes(path, target, values)


def find_key_mistakes(path: str, values: Plain, parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield a line for each key that is unknown, renamed or set by the framework, and each of NEEDED_KEYS that is missing."""
    set_by_framework = keys_set_by_framework(path)
    allowed = [f"{path}.{k}" for k in parameters if k not in set_by_framework and (path != "trainer" or k in TRAINER)]
    for key in values.keys() - parameters.keys():
        if renamed := next((name for name in RENAMED.get(key, ()) if name in parameters), None):
            yield f"{path}.{key}: renamed; use {path}.{renamed}"
        else:
            yield f"{path}.{key}: no such key; {suggest(f'{path}.{key}', allowed)}"
    for key in values.keys() & set(set_by_framework):
        yield f"{path}.{key}: set by the framework, not by a config"
    for key in set(NEEDED_KEYS.get(path, ())) - values.keys():
        yield f"{path}.{key}: missing; it is needed"


def keys_set_by_framework(path: str) -> tuple[str, ...]:
    """Return the constructor parameters that a config may not set at this place."""
    return SET_BY_FRAMEWORK.get(path) or SET_BY_FRAMEWORK.get(path.rpartition(".")[0] + ".*") or ()


def find_type_mistakes(path: str, values: Plain, parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield the mistakes in the types and ranges of values, as pydantic finds them.

    Validated strictly and in JSON mode: a list may be given for a tuple, `true` is no integer, "3" is no number.
    """
    from pydantic import ConfigDict, ValidationError, create_model

    settings = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    fields: dict[str, Any] = {f"p_{k}": (p.annotation, ...) for k, p in parameters.items()}
    model = create_model("Node", __config__=settings, **fields)
    try:
        model.model_validate_json(json.dumps({f"p_{k}": v for k, v in values.items()}), strict=True)
    except ValidationError as error:
        allowed: dict[str, list[str]] = {}
        for e in error.errors():
            texts = allowed.setdefault(str(e["loc"][0]).removeprefix("p_"), [])
            if e["type"] not in ("needs_python_object", "is_instance_of"):  # the Tensor half of float | Tensor
                position = e["loc"][-1]
                short = f"at least {position + 1} long" if e["type"] == "missing" and isinstance(position, int) else ""
                empty = "a text that is not empty" if e["type"] == "string_too_short" else ""
                texts.append(short or empty or e["msg"].removeprefix("Input should be "))
        for key, texts in allowed.items():
            if key not in values:
                yield f"{path}.{key}: missing; it is needed"
            else:
                default = "a node with a _target_" if isinstance(values[key], dict) else "something else"
                yield f"{path}.{key}: {json.dumps(values[key])} should be {' or '.join(dict.fromkeys(texts)) or default}"


def find_optimizer_mistakes(path: str, optimizer: Any, values: Plain) -> Iterator[str]:
    """Yield the error that an optimizer raises for its values, at the key without which it raises none.

    The ranges of torch's optimizers are checked by their constructors only.
    """
    import torch

    def construct(arguments: Plain) -> Exception | None:
        try:
            optimizer([torch.zeros(1)], **arguments)
        except Exception as error:  # of any class: an optimizer may be a user's own
            return error
        return None

    if error := construct(values):
        wrong = next((k for k in values if not construct({i: v for i, v in values.items() if i != k})), "_target_")
        yield f"{path}.{wrong}: {error}"
