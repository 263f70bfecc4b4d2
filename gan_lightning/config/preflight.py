"""The checks that need objects: data size, metrics, the networks' shapes on the meta device, Lightning's Trainer.

They follow `validate`, and are cheap: no data is read into memory, and no weight is allocated.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping, Sequence

import torch
from omegaconf import DictConfig

from gan_lightning.config.errors import UserError, one_line, suggest
from gan_lightning.config.instantiate import (
    build_augmentation,
    build_bare_trainer,
    build_data,
    build_metrics,
    build_optimizer,
    build_prior,
    instantiate,
)
from gan_lightning.config.resolve import Plain
from gan_lightning.config.shape_checks import find_shape_mistakes
from gan_lightning.config.targets import constructor_parameters, import_object
from gan_lightning.config.validate import TRAINER, validate
from gan_lightning.config.world_size import is_distributed, world_size
from gan_lightning.data.base import Data, DataError, SplitSizes
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.step.optimization import BETAS, PLAYERS
from gan_lightning.step.types import describe_values

EXTRAS = ("wandb", "mlflow")  # loggers that need the optional dependency of the same name
INSTEAD = {  # what replaces the Trainer's arguments that a run sets itself
    "accumulate_grad_batches": "use gan.accumulate_grad_batches",
    "callbacks": "use the callback group",
    "default_root_dir": "use hydra.run.dir",
    "enable_checkpointing": "use checkpoint.every_n_steps",
    "gradient_clip_val": "the game is optimized by hand; use a regularizer",
    "log_every_n_steps": "use callback.scalars.every_n_steps",
    "logger": "use the logger group",
    "max_epochs": "the stream has no epochs; use trainer.max_steps",
    "max_time": "use trainer.max_steps",
}
PRECISIONS = ("32-true", "bf16-mixed")


def validate_and_preflight(config: DictConfig) -> Plain:
    """Return the validated config as a plain dict, after all checks. Raises UserError."""
    plain = validate(config)
    preflight(plain)
    return plain


def preflight(plain: Plain) -> None:
    """Build what is cheap, and check that the parts of a validated config fit together.

    Raises UserError with one line per mistake.
    """
    mistakes = [*_trainer_mistakes(plain), *_batch_mistakes(plain)]
    try:
        data = build_data(plain)
        sizes = data.sizes()
    except DataError as error:
        raise UserError(*mistakes, *error.lines) from error
    except Exception as error:  # a user's own data set may fail in any way
        raise UserError(*mistakes, f"data: {type(error).__name__}: {one_line(error)}") from None
    batch, processes = plain["data"]["batch_size"], world_size(plain)
    if sizes is not None and batch * processes > sizes.train:
        wanted = f"{batch} samples" if processes == 1 else f"{batch} samples on each of {processes} devices"
        limit = f"{sizes.train} training samples; at most {sizes.train // processes} can"
        mistakes.append(f"data.batch_size: {wanted} can't be served from {limit}")
    metrics = build_metrics(plain)
    scores = [score for metric in metrics.values() for score in metric.maximize]
    mistakes += [*_metric_mistakes(plain, metrics, data, sizes), *_callback_mistakes(plain, scores), *_beta_mistakes(plain)]
    augmentation, loss = build_augmentation(plain), instantiate(plain["loss"])
    if why := augmentation.incompatibility(plain["data"]["sample_shape"]):
        mistakes.append(f"augmentation: {why}; use augmentation=none")
    if augmentation.reads_sign and loss.shift_invariant:
        why = "follows the sign of D's logits, which this loss leaves free"
        mistakes.append(f"augmentation: {why}; use augmentation=scheduled_ada")
    if (dim := plain["gan"]["latent_dim"]) < (least := build_prior(plain).min_dim):
        mistakes.append(f"gan.latent_dim: {dim} coordinates, but the codes of the prior need at least {least}")
    if plain["objective"] is not None and plain["objective"] not in scores:
        mistakes.append(f"objective: no metric gives {plain['objective']}; {suggest(plain['objective'], scores)}")
    mistakes += _class_mistakes(plain) or ([] if mistakes else find_shape_mistakes(plain, data))
    if mistakes:
        raise UserError(*mistakes)


def _trainer_mistakes(plain: Plain) -> list[str]:
    trainer, processes = plain["trainer"], world_size(plain)
    allowed = f"allowed: {', '.join(TRAINER[1:])}"
    mistakes = [f"trainer.{k}: not an option here; {INSTEAD.get(k, allowed)}" for k in trainer if k not in TRAINER]
    steps = trainer.get("max_steps")
    if steps is None or steps < 1:
        mistakes.append(f"trainer.max_steps: {steps} should be a number of generator updates, at least 1")
    if processes > 1 and not isinstance(trainer.get("strategy"), dict):
        mistakes.append(f"trainer.devices: {processes} processes need a strategy; use trainer=ddp")
    if trainer.get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        cure = "to train without: trainer=default, or trainer=ddp for several processes"
        mistakes.append(f"trainer.accelerator: {trainer['accelerator']}: there is no CUDA GPU on this machine; {cure}")
    if trainer.get("num_nodes", 1) > 1 and not is_distributed():
        cure = "start it on each node, with torchrun or srun: docs/processes.md"
        mistakes.append(f"trainer.num_nodes: {trainer['num_nodes']} nodes, but this is the only process; {cure}")
    logger = (plain.get("logger") or {}).get("_target_", "").rpartition(".")[2].removesuffix("Logger").lower()
    if logger in EXTRAS and importlib.util.find_spec(logger) is None:
        mistakes.append(f"logger: {logger} is not installed; pip install 'gan-lightning[{logger}]'")
    precision = str(trainer.get("precision", PRECISIONS[0]))
    if precision.startswith("16"):
        cure = "which manual optimization has not; use bf16-mixed"
        mistakes.append(f"trainer.precision: {precision} needs a loss scaler, {cure}")
    elif precision not in PRECISIONS:
        mistakes.append(f"trainer.precision: {precision} is not supported; allowed: {', '.join(PRECISIONS)}")
    return mistakes or _lightning_mistakes(plain)


def _lightning_mistakes(plain: Plain) -> list[str]:
    """Return the error that Lightning raises for the Trainer's arguments, if any."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        build_bare_trainer(plain, logger=False, callbacks=[])
    except Exception as error:  # Lightning raises many classes
        message = str(error).strip().splitlines()[0]
        if named := [k for k in plain["trainer"] if f"`{k}`" in message]:
            return [f"trainer.{named[0]}: {message}"]
        given = ", ".join(f"{k}={plain['trainer'].get(k)}" for k in ("accelerator", "devices", "precision", "strategy"))
        return [f"trainer: {message} ({given})"]
    finally:
        logger.setLevel(level)
    return []


def _batch_mistakes(plain: Plain) -> list[str]:
    batch, accumulate, packing = plain["data"]["batch_size"], plain["gan"]["accumulate_grad_batches"], plain["gan"]["packing"]
    if batch % accumulate:
        return [f"gan.accumulate_grad_batches: {accumulate} parts do not divide data.batch_size={batch}"]
    if (batch // accumulate) % packing:
        part = f"data.batch_size={batch}" + (f" in {accumulate} parts" if accumulate > 1 else "")
        return [f"gan.packing: {packing} samples at a time do not divide {part}"]
    return []


def _metric_mistakes(plain: Plain, metrics: Mapping[str, GenerativeMetric], data: Data, sizes: SplitSizes | None) -> list[str]:
    mistakes = []
    for name, metric in metrics.items():
        if why := metric.incompatibility(data):
            mistakes.append(f"metric.{name}: {why}")
        elif sizes is not None and sizes.validation < metric.min_reference:
            needed = f"compares with at least {metric.min_reference} real samples of the validation split"
            cure = "use a larger share, such as data.validation=0.2, or metric=none"
            mistakes.append(f"metric.{name}: {needed}, which has {sizes.validation}; {cure}")
        elif metric.conditional and plain["model"]["generator"].get("num_classes", 1) == 0:
            classless = "the generator has none (model.num_classes=0); use metric=none"
            mistakes.append(f"metric.{name}: needs classes, but {classless}")
    return mistakes


def _callback_mistakes(plain: Plain, scores: Sequence[str]) -> list[str]:
    mistakes = []
    for name, node in plain["callback"].items():
        arguments = {k: v for k, v in node.items() if k != "_target_"}
        incompatibility = getattr(import_object(node["_target_"]), "incompatibility", None)  # of callbacks that read scores
        if incompatibility is not None and (why := incompatibility(scores, **arguments)):
            mistakes.append(f"callback.{name}: {why}")
    return mistakes


def _beta_mistakes(plain: Plain) -> list[str]:
    """Return a line for each schedule that raises a beta of Adam to 1, where its average would never change or diverge."""
    mistakes = []
    for player in PLAYERS:
        node = plain["optimizer"][player]
        parameters = constructor_parameters(import_object(node["_target_"]))
        for name, schedule in build_optimizer(plain["optimizer"], player).schedules:
            if name in BETAS and "betas" in parameters:
                first = node.get("betas", parameters["betas"].default)[BETAS[name]]
                if (largest := first * max(schedule(i / 100) for i in range(101))) >= 1:
                    place = f"optimizer.schedules.{player}.{name}"
                    mistakes.append(f"{place}: {first} becomes {largest:.4g}; a beta is below 1: use a smaller factor")
    return mistakes


def _class_mistakes(plain: Plain) -> list[str]:
    """Return a line for each player with a number of classes that the data do not have; one of them may ignore the classes."""
    available = describe_values(plain["data"]["num_classes"])
    requested = {
        name: describe_values(node["num_classes"])
        for name, node in plain["model"].items()
        if isinstance(node, dict) and "num_classes" in node
    }
    data_have, cure = f"the data have {available}", f"model.num_classes={available}, or 0 to ignore the labels"
    if available == "0":
        data_have, cure = "the data are unlabelled (data.num_classes=0)", "model.num_classes=0"
    if len(set(requested.values())) == 1:
        requested = {"num_classes": next(iter(requested.values()))}
    return [
        f"model.{name}: {n} classes, but {data_have}; use {cure}" for name, n in requested.items() if n not in ("0", available)
    ]
