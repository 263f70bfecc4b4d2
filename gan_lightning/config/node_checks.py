"""The checks of one config node with a `_target_`: its class, its keys and their values.

A constructor's annotations are the node's schema: a node may have the keys that its class's `__init__` takes, up the bases
through `**kwargs`, and pydantic checks the values by their annotations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from gan_lightning.config.errors import suggest
from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import Role, import_object, refuse_target, role, role_by_annotation, settable_parameters

TRAINER = [  # the arguments of Lightning's Trainer that a config may set
    "_target_", "max_steps", "accelerator", "devices", "num_nodes", "precision", "strategy", "deterministic", "benchmark",
    "detect_anomaly", "profiler",
]  # fmt: skip
MINIMUM = {"dampening": 0, "flush_logs_every_n_steps": 1, "version": 0}  # of libraries' numbers, which have no range


def find_node_mistakes(path: str, node: Plain, expected: Role | None) -> Iterator[str]:
    """Yield the mistakes of a node with a `_target_`, and of the nodes inside it."""
    if mistake := refuse_target(path, node["_target_"], expected):
        yield mistake
        return
    assert expected is not None  # otherwise no target is allowed
    target = import_object(node["_target_"])
    parameters = settable_parameters(target, expected)
    values = {k: v for k, v in node.items() if k != "_target_"}
    unknown = values.keys() - parameters.keys()
    allowed = [f"{path}.{k}" for k in (TRAINER[1:] if path == "trainer" else parameters)]
    yield from (f"{path}.{key}: no such key; {suggest(f'{path}.{key}', allowed)}" for key in unknown)
    for key in values.keys() - unknown:
        if isinstance(inner := values[key], dict) and "_target_" in inner:
            inner_role = role(f"{path}.{key}") or role_by_annotation(parameters[key].annotation)
            yield from find_node_mistakes(f"{path}.{key}", inner, inner_role)
            del values[key], parameters[key]
    annotations = {k: p.annotation for k, p in parameters.items() if k in values or p.default is ...}
    mistakes = list(find_value_mistakes(path, values, annotations))
    yield from mistakes
    if expected.partial and not (mistakes or unknown):
        yield from find_optimizer_mistakes(path, target, {k: v for k, v in values.items() if k != "_partial_"})


def find_value_mistakes(path: str, values: Plain, annotations: Mapping[str, Any]) -> Iterator[str]:
    """Yield which of the annotated values are missing, and the mistakes in their types and ranges, as pydantic finds them.

    Validated strictly and in JSON mode: a list may be given for a tuple, `true` is no integer, "3" is no number.
    """
    fields: dict[str, Any] = {f"p_{k}": (annotation, ...) for k, annotation in annotations.items()}
    model = create_model("Node", __config__=ConfigDict(arbitrary_types_allowed=True, protected_namespaces=()), **fields)
    wrong: dict[str, list[str]] = {}
    try:
        model.model_validate_json(json.dumps({f"p_{k}": values[k] for k in annotations.keys() & values.keys()}), strict=True)
    except ValidationError as error:
        for e in error.errors():
            texts, last = wrong.setdefault(str(e["loc"][0]).removeprefix("p_"), []), e["loc"][-1]
            if e["type"] == "missing":  # inside the value
                texts.append(f"have at least {last + 1} items" if isinstance(last, int) else f"have {last}")
            elif e["type"] not in ("needs_python_object", "is_instance_of"):  # the Tensor half of float | Tensor
                texts.append(e["msg"].partition(" should ")[2] or f"be valid: {e['msg']}")
    for key in [k for k in MINIMUM.keys() & values.keys() if isinstance(values[k], int | float) and values[k] < MINIMUM[k]]:
        wrong[key] = [f"be at least {MINIMUM[key]}"]
    for key, texts in wrong.items():
        should = " or ".join(dict.fromkeys(texts)).replace(" or be ", " or ") or "be a node with a _target_"
        given = f"{json.dumps(values[key])} should {should}" if key in values else "missing; it is needed"
        yield f"{path}.{key}: {given}".lstrip(".")


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
