"""Which classes a config may name, where, and what keys they take. Refused by the name, before anything is imported.

Our own are exactly `gan_lightning.<room>.<module>.<Class>`, defined in that file and derived from the room's base; those of
libraries stand in a short list of exact names; a person trusts packages of their own by an environment variable, never by
the config.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any, NamedTuple

from gan_lightning.config.errors import suggest

OPTIMIZERS = {f"torch.optim.{name}" for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")}
LOGGERS = {f"pytorch_lightning.loggers.{name}Logger" for name in ("CSV", "MLFlow", "TensorBoard", "Wandb")}
DATASETS = {f"torchvision.datasets.{name}" for name in ("EMNIST", "FakeData", "FashionMNIST", "KMNIST", "QMNIST", "USPS")}
FOREIGN = {"pytorch_lightning.Trainer"} | OPTIMIZERS | LOGGERS | DATASETS
PACKAGES = "GAN_LIGHTNING_PACKAGES"
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class Role(NamedTuple):
    """What may stand at a place of the config."""

    base: str  # a class that the target is, or derives from
    room: str  # the module or package of ours that it lies in


ROLES = {
    "gan": Role("gan_lightning.gan.GAN", "gan_lightning.gan"),
    "ema": Role("gan_lightning.step.ema.EMA", "gan_lightning.step.ema"),
    "model.generator": Role("torch.nn.Module", "gan_lightning.model"),
    "model.discriminator": Role("torch.nn.Module", "gan_lightning.model"),
    "loss": Role("gan_lightning.loss.base.AdversarialLoss", "gan_lightning.loss"),
    "regularizer.*": Role("gan_lightning.regularizer.base.Regularizer", "gan_lightning.regularizer"),
    "augmentation": Role("gan_lightning.augmentation.base.Augmentation", "gan_lightning.augmentation"),
    "prior": Role("gan_lightning.prior.base.Prior", "gan_lightning.prior"),
    "data": Role("gan_lightning.data.base.Data", "gan_lightning.data"),
    "metric.*": Role("gan_lightning.metric.base.GenerativeMetric", "gan_lightning.metric"),
    "feature": Role("gan_lightning.metric.feature.base.Feature", "gan_lightning.metric.feature"),
    "callback.*": Role("pytorch_lightning.Callback", "gan_lightning.callback"),
    "checkpoint": Role("gan_lightning.callback.checkpoint.Checkpoint", "gan_lightning.callback"),
    "optimizer.generator": Role("torch.optim.Optimizer", "torch.optim"),
    "optimizer.discriminator": Role("torch.optim.Optimizer", "torch.optim"),
    "optimizer.schedule": Role("gan_lightning.step.schedule.Schedule", "gan_lightning.step.schedule"),
    "trainer": Role("pytorch_lightning.Trainer", "pytorch_lightning"),
    "trainer.strategy": Role("pytorch_lightning.strategies.Strategy", "gan_lightning.distributed.strategy"),
    "logger": Role("pytorch_lightning.loggers.logger.Logger", "pytorch_lightning.loggers"),
}


def role(path: str) -> Role | None:
    """What may stand here by the place's name; places inside a node go by their constructor's annotation."""
    return ROLES.get(path) or ROLES.get(path.rpartition(".")[0] + ".*")


def refuse_target(path: str, name: Any, wanted: Role | None) -> str | None:
    """Why this target may not stand here: by its name, before anything is imported, then by its class."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"{path}._target_: {name} is no dotted name of a class"
    if wanted is None:
        return f"{path}._target_: nothing with a target may stand here; {suggest(path, ROLES)}"
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
    base = import_object(wanted.base)
    if not isinstance(found, type):
        return f"{path}._target_: {module} has no class {cls}; {suggest(cls, list_classes(module, base))}"
    if not issubclass(found, base) or (ours and found.__module__ != module):
        return f"{path}._target_: {name} is no {base.__name__} of {wanted.room}; {suggest(cls, list_classes(module, base))}"
    return None


def list_classes(module: str, base: type) -> list[str]:
    """The classes of this kind that a module defines."""
    return [
        n
        for n, c in vars(importlib.import_module(module)).items()
        if isinstance(c, type) and issubclass(c, base) and c is not base
    ]


def import_object(name: str) -> Any:
    """What a dotted name means; only for names that were allowed."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


class Parameter(NamedTuple):
    """One key that a constructor takes."""

    annotation: Any
    default: Any  # ...: none


def constructor_parameters(cls: type) -> dict[str, Parameter]:
    """Key → what it takes, up the bases as long as a constructor passes `**kwargs` on."""
    found: dict[str, Parameter] = {}
    owners = [c for c in cls.__mro__ if "__init__" in vars(c)]
    first = owners[0]
    for owner in owners:
        init = inspect.unwrap(vars(owner)["__init__"])
        own = list(inspect.signature(init).parameters.values())[1:]
        hints = parameter_types(init)
        for p in own:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                needed = p.default is p.empty and owner is first  # a base's may be given by the class itself
                found.setdefault(p.name, Parameter(hints.get(p.name, Any), ... if needed else p.default))
        if all(p.kind is not p.VAR_KEYWORD for p in own):
            break
    return found


def parameter_types(init: Any) -> dict[str, Any]:
    """Parameter → type; one that its module imports for type checkers only is left out."""
    found: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(init).items():
        with contextlib.suppress(NameError):
            lone = types.SimpleNamespace(__annotations__={name: annotation})
            found |= typing.get_type_hints(lone, init.__globals__, include_extras=True)
    return found


def role_by_annotation(annotation: Any) -> Role | None:
    """The role of a node inside another: a class of ours, or a dataset, that the parameter's annotation names."""
    for option in (annotation, *typing.get_args(annotation)):
        if isinstance(option, type) and option.__module__.startswith("gan_lightning."):
            return Role(f"{option.__module__}.{option.__name__}", option.__module__.removesuffix(".base"))
        origin = typing.get_origin(option) or option
        if isinstance(origin, type) and origin.__module__.startswith("torch.utils.data"):
            return Role("torch.utils.data.Dataset", "torchvision.datasets")
    return None
