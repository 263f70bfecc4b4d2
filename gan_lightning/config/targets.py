"""The classes that a config may name at each place, and the parameters of their constructors.

A `_target_` is rejected by its name, before anything is imported. Allowed are: this package's classes, as exactly
`gan_lightning.<room>.<module>.<Class>`, defined in that module and derived from the base class of the place; a short list of
exact names of other libraries; and the packages that the user trusts in an environment variable, never in the config.
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
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from gan_lightning.config.errors import suggest

OPTIMIZERS = {f"torch.optim.{name}" for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")}
LOGGERS = {f"pytorch_lightning.loggers.{name}Logger" for name in ("CSV", "MLFlow", "TensorBoard", "Wandb")}
DATASETS = {f"torchvision.datasets.{name}" for name in ("EMNIST", "FakeData", "FashionMNIST", "KMNIST", "QMNIST", "USPS")}
FOREIGN = {"pytorch_lightning.Trainer"} | OPTIMIZERS | LOGGERS | DATASETS
TRUST_VARIABLE = "GAN_LIGHTNING_PACKAGES"
DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def trusted_packages() -> list[str]:
    """Return the packages that the user trusts."""
    return os.environ.get(TRUST_VARIABLE, "").split(",")


class TrustedPackages:
    """Find the trusted packages, and nothing else, in the current folder, if Python finds them nowhere else."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where a trusted package is in the current folder; None for any other name."""
        here = [str(Path.cwd())] if path is None and name in trusted_packages() else []
        return PathFinder.find_spec(name, here, target) if here else None


class Role(NamedTuple):
    """Describe which classes are allowed at a place of the config."""

    base: str  # the class that a target must be, or derive from
    room: str  # the module or package that the target must be defined in


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
    "optimizer.schedules.generator.*": Role("gan_lightning.step.schedule.Schedule", "gan_lightning.step.schedule"),
    "optimizer.schedules.discriminator.*": Role("gan_lightning.step.schedule.Schedule", "gan_lightning.step.schedule"),
    "optimizer.schedule": Role("gan_lightning.step.schedule.Schedule", "gan_lightning.step.schedule"),
    "trainer": Role("pytorch_lightning.Trainer", "pytorch_lightning"),
    "trainer.strategy": Role("pytorch_lightning.strategies.Strategy", "gan_lightning.distributed.strategy"),
    "logger": Role("pytorch_lightning.loggers.logger.Logger", "pytorch_lightning.loggers"),
}


def role(path: str) -> Role | None:
    """Return the role of a place by its dotted key; None for a place inside a node, see `role_by_annotation`."""
    return ROLES.get(path) or ROLES.get(path.rpartition(".")[0] + ".*")


def refuse_target(path: str, name: Any, expected: Role | None) -> str | None:
    """Return an error line if the target is not allowed at this place: by its name, before any import, then by its class."""
    if not isinstance(name, str) or not DOTTED_NAME.fullmatch(name):
        return f"{path}._target_: {name} is no dotted name of a class"
    if expected is None:
        return f"{path}._target_: no target is allowed here; {suggest(path, ROLES)}"
    module, _, cls = name.rpartition(".")
    package, ours = module.partition(".")[0], is_in_room(module, expected.room)
    if not (ours or name in FOREIGN or package in trusted_packages()):
        allowed = sorted(n for n in FOREIGN if n.rpartition(".")[0] == expected.room) or [f"classes in {expected.room}"]
        trustable = package not in {*sys.stdlib_module_names, "torch", "gan_lightning"}
        cure = f"; to trust a package of your own: {TRUST_VARIABLE}={package}" if trustable else ""
        return f"{path}._target_: {name} is not allowed here; allowed: {', '.join(allowed)}{cure}"
    if TrustedPackages not in sys.meta_path:
        sys.meta_path.append(TrustedPackages)
    try:
        target = vars(importlib.import_module(module)).get(cls)
    except Exception as error:  # a user's module may fail in any way
        return f"{path}._target_: importing {module} fails: {type(error).__name__}: {error}"
    base = import_object(expected.base)
    if not (isinstance(target, type) and issubclass(target, base)) or (ours and target.__module__ != module):
        classes = list_classes(module, base)
        return f"{path}._target_: {name} is no {base.__name__}; {suggest(cls, classes)}"
    return None


def is_in_room(module: str, room: str) -> bool:
    """Return whether a module is the room itself or directly inside it, part of this package, and no module of base classes."""
    inside = module == room or module.rpartition(".")[0] == room
    return inside and module.startswith("gan_lightning.") and not module.endswith(".base")


def list_classes(module: str, base: type) -> list[str]:
    """Return the names in a module that are bound to subclasses of `base`."""
    return [
        name
        for name, cls in vars(importlib.import_module(module)).items()
        if isinstance(cls, type) and issubclass(cls, base) and cls is not base
    ]


def import_object(name: str) -> Any:
    """Import and return the object of a dotted name. Call it only with names that `refuse_target` has accepted."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


class Parameter(NamedTuple):
    """Describe one constructor parameter that a config may set."""

    annotation: Any
    default: Any  # ... if it is required


def constructor_parameters(cls: type) -> dict[str, Parameter]:
    """Return the parameters of a constructor by name, with those of the bases as long as it passes `**kwargs` on."""
    parameters: dict[str, Parameter] = {}
    owners = [c for c in cls.__mro__ if "__init__" in vars(c)]
    for owner in owners:
        init = inspect.unwrap(vars(owner)["__init__"])
        signature = list(inspect.signature(init).parameters.values())[1:]
        hints = parameter_types(init)
        for p in signature:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                required = p.default is p.empty and owner is owners[0]  # the class may supply its bases' parameters itself
                parameters.setdefault(p.name, Parameter(hints.get(p.name, Any), ... if required else p.default))
        if all(p.kind is not p.VAR_KEYWORD for p in signature):
            break
    return parameters


def parameter_types(init: Any) -> dict[str, Any]:
    """Return the annotations of a constructor, evaluated one by one; one that can't be evaluated at run time is left out."""
    hints: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(init).items():
        with contextlib.suppress(NameError):  # a name that its module imports under TYPE_CHECKING only
            single = types.SimpleNamespace(__annotations__={name: annotation})
            hints |= typing.get_type_hints(single, init.__globals__, include_extras=True)
    return hints


def role_by_annotation(annotation: Any) -> Role | None:
    """Return the role of a node inside another: a class of this package, or a dataset, that the annotation names."""
    for option in (annotation, *typing.get_args(annotation)):
        if isinstance(option, type) and option.__module__.startswith("gan_lightning."):
            return Role(f"{option.__module__}.{option.__name__}", option.__module__.removesuffix(".base"))
        origin = typing.get_origin(option) or option
        if isinstance(origin, type) and origin.__module__.startswith("torch.utils.data"):
            return Role("torch.utils.data.Dataset", "torchvision.datasets")
    return None
