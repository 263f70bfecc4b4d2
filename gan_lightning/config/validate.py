"""Validation of a composed config: all mistakes at once, before any data is read or any weight allocated.

A constructor's annotations are the schema of its node: a node with a `_target_` may have the keys that its class's `__init__`
takes, up the bases through `**kwargs`, and pydantic checks the values by their annotations. Every other key must be read by a
command or by an interpolation, so that a misspelt key is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from gan_lightning.config.compose import config_dir
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.interpolations import references, select
from gan_lightning.config.optimizer_checks import MULTIPLIERS, find_optimizer_mistakes
from gan_lightning.config.outside_places import find_logger_mistakes
from gan_lightning.config.resolve import Plain, above, flatten, resolve
from gan_lightning.config.run_config import find_key_mistake
from gan_lightning.config.targets import ROLES, Role, import_object, refuse_target, role, settable_parameters
from gan_lightning.config.threads import MOST

TRAINER = [  # the arguments of Lightning's Trainer that a config may set
    "_target_", "max_steps", "accelerator", "devices", "num_nodes", "precision", "strategy", "deterministic", "benchmark",
    "detect_anomaly", "profiler",
]  # fmt: skip
MINIMUM = {"dampening": 0, "flush_logs_every_n_steps": 1, "version": 0}  # of libraries' numbers, which have no range


class Fork(BaseModel, extra="forbid"):
    """Describe the run and the step that a run goes on from."""

    run: str
    step: int


COMMAND_KEYS: dict[str, Any] = {  # top-level keys that the commands themselves read, and what they take
    "name": str | float,
    "seed": Annotated[int, Field(ge=0, lt=2**32)],
    "threads": Literal["auto"] | Annotated[int, Field(ge=1, le=MOST)],
    "debug": bool,
    "objective": str | None,
    "fork": Fork | None,
}
MAX_FLOAT, MAX_WHOLE = 3.4e38, 2**63  # of torch: 32 bits, and 64
PLAYED = ("model", "optimizer")  # groups with a node for each player, beside the keys that both read
REQUIRED = [place for place in ROLES if not place.endswith("*") and place not in ("logger", "trainer.strategy")]


def validate(config: DictConfig) -> Plain:
    """Return the config as a plain dict that can be instantiated. Raises UserError with one line per mistake."""
    plain = resolve(config)
    reads = dict(references(OmegaConf.to_container(config, resolve=False)))
    mistakes: dict[str, str] = {}  # one per key: its first
    for line in find_mistakes(plain, set(reads.values())):
        line = at_typed_key(line, reads)
        mistakes.setdefault(line.partition(": ")[0], line)
    if mistakes:
        raise UserError(*mistakes.values())
    return plain


def at_typed_key(line: str, reads: Mapping[str, str]) -> str:
    """Move an error line from a key that is an interpolation to the key that it reads, which is the one a user types.

    If the two are of different groups, the line ends with the key at which the mistake was found.
    """
    path, colon, rest = line.partition(": ")
    while reader := next((r for r in reads if path == r or path.startswith(r + ".")), None):
        path = reads[reader] + path.removeprefix(reader)
    found_at, moved = line.partition(": ")[0], path + colon + rest
    return moved if path.partition(".")[0] == found_at.partition(".")[0] else f"{moved} (read by {found_at})"


def find_mistakes(plain: Plain, read_keys: set[str]) -> Iterator[str]:
    """Yield one line per mistake; `read_keys` are the keys that interpolations read."""
    if mistake := find_key_mistake(plain):
        yield mistake
    flat = flatten(plain)
    for path, value in flat.items():
        for number in value if isinstance(value, list) else [value]:
            limit = MAX_FLOAT if isinstance(number, float) else MAX_WHOLE
            if isinstance(number, int | float) and not abs(number) < limit:  # nan is not
                yield f"{path}: {number} should be a finite number, of a size below {limit:.3g}"
    yield from find_missing_nodes(plain)
    yield from find_optimizer_mistakes(plain)
    nodes = outermost_nodes(plain)
    read = {*read_keys, *COMMAND_KEYS, MULTIPLIERS, *nodes}
    every = {path for key in flat for path in above(key)}
    unread = {path for path, value in flat.items() if value != {} and not (read & above(path) or is_replaced(path, every))}
    known = {path for key in flat.keys() - unread for path in above(key)}
    yield from (f"{path}: no such key; {suggest(path, known)}" for path in unread)
    for path, node in nodes.items():
        yield from find_node_mistakes(path, node, role(path))
    yield from find_value_mistakes("", {key: plain[key] for key in COMMAND_KEYS.keys() & plain.keys()}, COMMAND_KEYS)
    if not re.fullmatch(r"\w[\w.+-]*", str(plain.get("name"))):
        yield f"name: {json.dumps(plain['name'])} should be a word: letters, digits and . _ + -, a letter or digit first"
    yield from find_logger_mistakes(plain)


def find_missing_nodes(plain: Plain) -> Iterator[str]:
    """Yield a line for each required place without a node that has a `_target_`."""
    for place in REQUIRED:
        node = select(plain, tuple(place.split(".")))
        if not (isinstance(node, dict) and "_target_" in node):
            folders = (place.replace(".", "/"), place.partition(".")[0])
            group = next((folder for folder in folders if (config_dir() / folder).is_dir()), "")
            cure = f"to choose an option: {group}={node if isinstance(node, str) else '…'}"
            yield f"{place}: {json.dumps(node)} is no node with a _target_{f'; {cure}' if group else ''}"


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
            inner_role = role(f"{path}.{key}", parameters[key].annotation)
            yield from find_node_mistakes(f"{path}.{key}", inner, inner_role)
            del values[key], parameters[key]
    annotations = {k: p.annotation for k, p in parameters.items() if k in values or p.default is ...}
    mistakes = list(find_value_mistakes(path, values, annotations))
    yield from mistakes
    if expected.partial and not (mistakes or unknown):
        yield from find_construction_mistakes(path, target, {k: v for k, v in values.items() if k != "_partial_"})


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
            elif e["type"] == "string_too_short":
                texts.append("not be empty")
            elif e["type"] not in ("needs_python_object", "is_instance_of"):  # the Tensor half of float | Tensor
                texts.append(e["msg"].partition(" should ")[2] or f"be valid: {e['msg']}")
    for key in [k for k in MINIMUM.keys() & values.keys() if isinstance(values[k], int | float) and values[k] < MINIMUM[k]]:
        wrong[key] = [f"be at least {MINIMUM[key]}"]
    for key, texts in wrong.items():
        should = " or ".join(dict.fromkeys(texts)).replace(" or be ", " or ") or "be a node with a _target_"
        given = f"{json.dumps(values[key])} should {should}" if key in values else "missing; it is needed"
        yield f"{path}.{key}: {given}".lstrip(".")


def find_construction_mistakes(path: str, optimizer: Any, values: Plain) -> Iterator[str]:
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


def is_replaced(path: str, known: set[str]) -> bool:
    """Return whether a key of both players, such as optimizer.lr, may be unread because a player has a value of its own."""
    group, _, key = path.rpartition(".")
    return group in PLAYED and any(f"{group}.{player}.{key}" in known for player in ("discriminator", "generator"))


def outermost_nodes(plain: Plain, path: str = "") -> dict[str, Plain]:
    """Return the nodes with a `_target_` that are inside no other such node, by dotted key."""
    if "_target_" in plain:
        return {path: plain}
    inner = [(f"{path}.{key}".lstrip("."), node) for key, node in plain.items() if isinstance(node, dict)]
    return {place: node for key, value in inner for place, node in outermost_nodes(value, key).items()}
