"""Every field of every option of every group, wrong in every way: each is refused in one line that names what was typed.

The options are the files of conf/, their keys those that the file or the class's constructor has. What is wrong follows from
the constructor's annotation: another kind of value, a number beyond its range, a name one letter off. A number of ours
without a range is itself a failure: where any number will do, the annotation says so (`Field(allow_inf_nan=False)`).
"""

import math
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from omegaconf import DictConfig, OmegaConf
from pydantic import Field
from pydantic.fields import FieldInfo
from torch.utils.data import Dataset

from gan_lightning.config.compose import Composer, config_dir
from gan_lightning.config.errors import UserError
from gan_lightning.config.interpolations import references
from gan_lightning.config.preflight import preflight
from gan_lightning.config.resolve import flatten
from gan_lightning.config.targets import Parameter, Role, import_object, role, settable_parameters
from gan_lightning.config.validate import TRAINER, outermost_nodes, validate

KINDS: dict[str, Any] = {
    "text": "abc",
    "list": ["abc"],
    "mapping": {"abc": "abc"},
    "null": None,
    "bool": True,
    "int": 3,
    "float": 2.5,
}
SHARE = 120
ENDLESS = (math.nan, math.inf, -math.inf)


# ── what a field takes, read off its annotation ──────────────────────────────────────────────────────────────────────────
@dataclass
class Takes:
    """The kinds of value that an annotation lets in, and what of their range it says."""

    kinds: set[str]
    edges: list[Any]  # just outside its range, or longer or shorter than it may be
    ranged: bool = True  # whether each number has a range, or is said to need none


def takes(annotation: Any) -> Takes:
    """Read an annotation, without pydantic."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = takes(arguments[0])
        rules = [rule for field in arguments[1:] if isinstance(field, FieldInfo) for rule in field.metadata]
        return Takes(
            inner.kinds,
            inner.edges + outside(rules, inner.kinds),
            inner.ranged or any(isinstance(r, Ge | Gt | Le | Lt) or "allow_inf_nan" in repr(r) for r in rules),
        )
    if origin in (typing.Union, types.UnionType):
        parts = [takes(part) for part in arguments]
        edges = parts[0].edges if len(parts) == 2 and type(None) in arguments else []
        return Takes(set().union(*(p.kinds for p in parts)), edges, all(p.ranged for p in parts))
    if origin is typing.Literal:
        names = {bool: "bool", int: "int", str: "text", type(None): "null"}
        return Takes({names[type(value)] for value in arguments} - {"text"}, ["none_of_these"])
    if origin in (tuple, list):
        inner = takes(arguments[0]) if arguments else Takes(set(KINDS), [])
        wrong = [[KINDS[kind]] for kind in KINDS if kind not in inner.kinds] + [[edge] for edge in inner.edges]
        fixed = origin is tuple and ... not in arguments
        return Takes({"list"}, [v * len(arguments) for v in wrong] + [[]] if fixed else wrong, inner.ranged)
    if origin is dict:
        free = not arguments or arguments[1] is Any
        return Takes(
            {"mapping"}, [] if free else [{"abc": KINDS[kind]} for kind in KINDS if kind not in takes(arguments[1]).kinds]
        )
    simple = {int: ({"int"}, False), float: ({"int", "float"}, False), bool: ({"bool"}, True), str: ({"text"}, True),
              Path: ({"text"}, True), type(None): ({"null"}, True)}  # fmt: skip
    kinds, ranged = simple.get(annotation, (set(KINDS) if annotation is Any else set(), True))
    return Takes(set(kinds), list(ENDLESS) if annotation is float else [], ranged)


def outside(rules: list[Any], kinds: set[str]) -> list[Any]:
    """Values just beyond a range."""
    found: list[Any] = []
    for rule in rules:
        match rule:
            case Ge(edge):
                found += [edge - 1, -(10**9)]
            case Gt(edge):
                found += [edge, edge - 1]
            case Le(edge):
                found += [edge + 1, 10**12]
            case Lt(edge):
                found += [edge, edge + 1]
    return found if kinds & {"int", "float"} else []


def wrong_values(annotation: Any, foreign: bool) -> list[Any]:
    """What this field must refuse."""
    known = takes(annotation)
    values = [KINDS[kind] for kind in KINDS if kind not in known.kinds and not ("float" in known.kinds and kind == "int")]
    alone = foreign and annotation is not Any and known.kinds & {"int", "float"}
    edges = known.edges + ([-1] if alone else [])  # no number of a library's may be negative
    unique: list[Any] = []
    for value in values + edges:
        if not any(repr(value) == repr(other) for other in unique):
            unique.append(value)
    return unique


def misspelt(key: str) -> list[str]:
    """The last name without a letter, and with two of them exchanged."""
    path, dot, name = key.rpartition(".")
    at = len(name) // 2
    dropped, exchanged = name[:at] + name[at + 1 :], name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    return [path + dot + wrong for wrong in (dropped, exchanged) if wrong not in (name, "")]


# ── the fields there are ─────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class FieldOf:
    """One key that a person may type under an option, and the constructor's word on it."""

    option: str
    key: str
    annotation: Any
    foreign: bool


OPTIONS = [
    f"{path.parent.relative_to(config_dir())}={path.stem}"
    for path in sorted(config_dir().rglob("*.yaml"))
    if path.parent != config_dir()
    and path.parts[-2] not in ("experiment", "sampler")  # which choose among the others, and are no part of a run's config
]
FILL = {"root": ".", "file": "x.npy", "sample_shape": [1, 8, 8], "dataset": {"_target_": "torchvision.datasets.FakeData"}}


@cache
def composer() -> Composer:
    return Composer()


@cache
def base(option: str) -> DictConfig:
    """A config that passes, with this option."""
    words = [option] if option else []
    words += ["metric=none"] if option.startswith(("data=", "feature=")) else []
    words += ["callback=[default,equilibrium]", "metric=equilibrium"] if option == "callback=equilibrium" else []
    config = composer().compose([w for w in words if not (option == "callback=equilibrium" and w == option)])
    for key, value in flatten(OmegaConf.to_container(config, resolve=False)).items():
        if value == "???":
            OmegaConf.update(config, key, FILL[key.rpartition(".")[2]], force_add=True)
    return config


def fields(option: str) -> Iterator[FieldOf]:
    """All fields of the nodes that an option brings, its shared keys, and what its classes take besides."""
    config = base(option)
    group = option.partition("=")[0].replace("/", ".")
    raw: Any = OmegaConf.to_container(config, resolve=False)
    plain, readers = validate(config), list(references(raw))
    for path, node in outermost_nodes(plain).items():
        if path == group or path.startswith(group + ".") if group else path in ("gan", "ema", "checkpoint"):
            yield from of_node(option, path, node, readers)


def of_node(option: str, path: str, node: dict[str, Any], readers: list[tuple[str, str]]) -> Iterator[FieldOf]:
    cls = import_object(node["_target_"])
    foreign = not cls.__module__.startswith("gan_lightning.")
    group = option.partition("=")[0].replace("/", ".")
    for name, parameter in settable_parameters(cls, role(path) or Role("")).items():
        key = f"{path}.{name}"
        if path == "trainer" and name not in TRAINER:
            continue
        inner = node.get(name)
        if isinstance(inner, dict) and "_target_" in inner:
            read = any(reader == key for reader, _ in readers)  # then its keys are typed where it is read
            if read or issubclass(import_object(inner["_target_"]), Dataset):
                continue
            yield from of_node(option, key, inner, readers)
            continue
        yield FieldOf(option, key, parameter.annotation, foreign)
        shared = next((read for reader, read in readers if reader == key), "")
        if shared and shared.rpartition(".")[0] == group:  # such as model.width
            yield FieldOf(option, shared, parameter.annotation, foreign)


@dataclass
class Case:
    field: FieldOf
    key: str
    value: Any

    def __str__(self) -> str:
        return f"{self.field.option} {self.key}={self.value}"


@cache
def cases() -> list[Case]:
    """All of them, each once."""
    found: dict[str, Case] = {}
    for option in ["", *OPTIONS]:
        for field in fields(option):
            target = OmegaConf.select(base(option), field.key.rpartition(".")[0] + "._target_", default=option)
            for value in wrong_values(field.annotation, field.foreign):
                found.setdefault(f"{target} {field.key} {value!r}", Case(field, field.key, value))
            for key in misspelt(field.key):
                found.setdefault(f"{target} {key}", Case(field, key, 3))
    return list(found.values())


def said(case: Case) -> list[str]:
    """What the check and the rehearsal say of it; nothing: it would have been trained with."""
    config = base(case.field.option).copy()
    OmegaConf.update(config, case.key, case.value, merge=False, force_add=True)
    try:
        preflight(validate(config))
    except UserError as error:
        return [line for line in error.lines if line not in usual(case.field.option)]
    return []


@cache
def usual(option: str) -> tuple[str, ...]:
    """What is missing here whatever is typed, such as a data set on the disk."""
    try:
        preflight(validate(base(option)))
    except UserError as error:
        return error.lines
    return ()


def holes(chosen: list[Case]) -> list[str]:
    found = []
    for case in chosen:
        lines = said(case)
        if len(lines) != 1 or "\n" in lines[0] or not lines[0].startswith((f"{case.key}:", f"{case.key}.")):
            found.append(f"{case}: {lines}")
    return found


def test_every_wrong_value_is_refused_in_one_line():
    """A share of them; the others are behind the mark `slow`."""
    assert len(cases()) >= 2500
    assert holes(cases()[::SHARE]) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1, SHARE))
def test_the_other_wrong_values_are_refused_in_one_line(part):
    assert holes(cases()[part::SHARE]) == []


def test_every_number_of_ours_has_a_range():
    ours = [field for option in ["", *OPTIONS] for field in fields(option) if not field.foreign]
    assert [f"{field.option} {field.key}" for field in ours if not takes(field.annotation).ranged] == []


@pytest.mark.parametrize(
    "annotation", [int, float, float | None, tuple[int, ...], typing.Annotated[list[float], Field(min_length=1)]]
)
def test_a_number_without_a_range_would_be_seen(annotation):
    assert not takes(annotation).ranged


def test_a_field_that_nobody_checks_would_be_seen(monkeypatch):
    """The negative control: the same cases without the check of kinds and ranges, and without that of names."""
    typed = [case for case in cases() if case.key.startswith("ema.")]
    assert holes(typed) == []
    monkeypatch.setattr("gan_lightning.config.validate.find_value_mistakes", lambda *_: iter(()))
    assert len(holes(typed)) >= 10
    names = [case for case in cases() if case.key in misspelt("callback.samples.every_n_steps")]
    assert holes(names) == []
    monkeypatch.setattr(
        "gan_lightning.config.validate.settable_parameters",
        lambda *_: dict.fromkeys(("every_n_steps", *(case.key.rpartition(".")[2] for case in names)), Parameter(Any, 1)),
    )
    assert holes(names)
