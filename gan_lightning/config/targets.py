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
import pkgutil
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
    """Describe which classes are allowed at a place of the config, and which of their parameters it sets."""

    base: str  # the class that a target must be, or derive from
    supplied: tuple[str, ...] = ()  # parameters that config/instantiate.py or training/trainer.py sets
    needed: tuple[str, ...] = ()  # keys that are read before any object is instantiated
    elsewhere: str = ""  # the room of the allowed classes, if it is not that of `base`
    partial: bool = False  # whether the object is completed later

    @property
    def room(self) -> str:
        """Return the module that a target must be defined in, or directly inside."""
        return self.elsewhere or self.base.rpartition(".")[0].removesuffix(".base")


ROLES = {
    "gan": Role(
        "gan_lightning.gan.GAN",
        ("generator", "discriminator", "loss", "regularizers", "augmentation", "prior", "ema", "optimizers", "seed"),
        ("latent_dim", "d_steps_per_g_step", "accumulate_grad_batches", "packing"),
    ),
    "ema": Role("gan_lightning.step.ema.EMA", ("generator",)),
    "model.generator": Role("torch.nn.Module", elsewhere="gan_lightning.model"),
    "model.discriminator": Role("torch.nn.Module", elsewhere="gan_lightning.model"),
    "loss": Role("gan_lightning.loss.base.AdversarialLoss"),
    "regularizer.*": Role("gan_lightning.regularizer.base.Regularizer"),
    "augmentation": Role("gan_lightning.augmentation.base.Augmentation"),
    "prior": Role("gan_lightning.prior.base.Prior"),
    "data": Role("gan_lightning.data.base.Data", ("seed", "batches_per_step"), ("sample_shape", "num_classes", "batch_size")),
    "metric.*": Role("gan_lightning.metric.base.GenerativeMetric", ("feature",)),
    "feature": Role("gan_lightning.metric.feature.base.Feature"),
    "callback.*": Role("pytorch_lightning.Callback", ("run", "data", "metrics"), elsewhere="gan_lightning.callback"),
    "checkpoint": Role("gan_lightning.callback.checkpoint.Checkpoint", ("run",), elsewhere="gan_lightning.callback"),
    "optimizer.generator": Role("torch.optim.Optimizer", ("params",), partial=True),
    "optimizer.discriminator": Role("torch.optim.Optimizer", ("params",), partial=True),
    "optimizer.schedules.generator.*": Role("gan_lightning.step.schedule.Schedule"),
    "optimizer.schedules.discriminator.*": Role("gan_lightning.step.schedule.Schedule"),
    "optimizer.schedule": Role("gan_lightning.step.schedule.Schedule"),
    "trainer": Role("pytorch_lightning.Trainer", needed=("max_steps",)),
    "trainer.strategy": Role("pytorch_lightning.strategies.Strategy", elsewhere="gan_lightning.distributed.strategy"),
    "logger": Role("pytorch_lightning.loggers.Logger", ("save_dir", "experiment")),
}


def role(path: str, annotation: Any = None) -> Role | None:
    """Return the role of a place by its dotted key; inside a node: a class of this package, or a dataset, as annotated."""
    if place := ROLES.get(path) or ROLES.get(path.rpartition(".")[0] + ".*"):
        return place
    for option in (annotation, *typing.get_args(annotation)):
        kind = typing.get_origin(option) or option
        if isinstance(kind, type) and kind.__module__.startswith("torch.utils.data"):
            return Role("torch.utils.data.Dataset", elsewhere="torchvision.datasets")
        if isinstance(kind, type) and kind.__module__.startswith("gan_lightning."):
            return Role(f"{kind.__module__}.{kind.__name__}")
    return None


def refuse_target(path: str, name: Any, expected: Role | None) -> str | None:
    """Return an error line if the target is not allowed at this place: by its name, before any import, then by its class."""
    if not isinstance(name, str) or not DOTTED_NAME.fullmatch(name):
        return f"{path}._target_: {name} is no dotted name of a class"
    if expected is None:
        return f"{path}._target_: no target is allowed here; {suggest(path, ROLES)}"
    module, _, cls = name.rpartition(".")
    package = module.partition(".")[0]
    inside = expected.room in (module, module.rpartition(".")[0])  # or directly inside
    ours = inside and package == "gan_lightning" and not module.endswith(".base")
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
        classes = [k for k, v in vars(sys.modules[module]).items() if isinstance(v, type) and issubclass(v, base) and v != base]
        return f"{path}._target_: {name} is no {base.__name__}; {suggest(cls, classes)}"
    missing = [key for key in dir(target) if getattr(inspect.getattr_static(target, key, None), "__isabstractmethod__", False)]
    if ours and missing:  # of a base class without the metaclass of abstract ones, too, such as Lightning's
        return f"{path}._target_: {name} is a base class without {', '.join(missing)}; choose a class that derives from it"
    return None


def import_object(name: str) -> Any:
    """Import and return the object of a dotted name. Call it only with names that `refuse_target` has accepted."""
    return pkgutil.resolve_name(name)


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


def settable_parameters(target: type, place: Role) -> dict[str, Parameter]:
    """Return what a config may set at a place: the constructor's parameters but those that are supplied, and `_partial_`."""
    parameters = {k: p for k, p in constructor_parameters(target).items() if k not in place.supplied}
    parameters |= {k: Parameter(parameters[k].annotation if k in parameters else Any, ...) for k in place.needed}
    return parameters | ({"_partial_": Parameter(typing.Literal[True], ...)} if place.partial else {})


def parameter_types(init: Any) -> dict[str, Any]:
    """Return the annotations of a constructor, evaluated one by one; one that can't be evaluated at run time is left out."""
    hints: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(init).items():
        with contextlib.suppress(NameError):  # a name that its module imports under TYPE_CHECKING only
            single = types.SimpleNamespace(__annotations__={name: annotation})
            hints |= typing.get_type_hints(single, init.__globals__, include_extras=True)
    return hints
