"""A checked config → objects. The only place where classes that a config names are called."""

from __future__ import annotations

import importlib.util
import logging

import torch
from omegaconf import DictConfig

from gan_lightning.config.errors import UserError, one_line, suggest
from gan_lightning.config.instantiate import build_bare_trainer, build_data, build_metrics, build_networks
from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import import_object
from gan_lightning.config.validate import TRAINER, validate
from gan_lightning.config.world_size import is_distributed, world_size
from gan_lightning.data.base import DataError

EXTRAS = ("wandb", "mlflow")  # loggers that come with an optional dependency of the same name
INSTEAD = {  # of Trainer's other arguments, which a run decides by itself
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


# ── rehearsal: what only the objects can say, before there is any data or any weight ─────────────────────────────────────
def validate_and_preflight(config: DictConfig) -> Plain:
    """The config as a plain dict, checked and tried. Raises UserError."""
    plain = validate(config)
    preflight(plain)
    return plain


def preflight(plain: Plain) -> None:
    """Try all that is cheap: the data's size, the networks' shapes on the meta device, the Trainer. Raises UserError."""
    mistakes = [*_trainer_mistakes(plain), *_batch_mistakes(plain)]
    try:
        source = build_data(plain)
        held = source.count()
    except DataError as error:
        raise UserError(*mistakes, *error.lines) from None
    except Exception as error:  # a person's own data set may fail in any way
        raise UserError(*mistakes, f"data: {type(error).__name__}: {one_line(error)}") from None
    batch, together = plain["data"]["batch_size"], world_size(plain)
    if held is not None and batch * together > held:
        what = f"{batch} samples" if together == 1 else f"{batch} samples on each of {together} devices"
        mistakes.append(f"data.batch_size: {what} can't be served from {held} training samples; at most {held // together} can")
    scores = build_metrics(plain)
    for name, score in scores.items():
        if why := score.incompatibility(source):
            mistakes.append(f"metric.{name}: {why}")
        elif score.conditional and plain["model"]["generator"].get("num_classes", 1) == 0:
            mistakes.append(
                f"metric.{name}: asks for classes, but the generator has none (model.num_classes=0); use metric=none"
            )
    offered = [value for score in scores.values() for value in score.maximize]
    for name, node in plain["callback"].items():
        incompatibility = getattr(
            import_object(node["_target_"]), "incompatibility", None
        )  # a watcher that goes by scores knows which it wants
        if incompatibility is not None and (
            why := incompatibility(offered, **{k: v for k, v in node.items() if k != "_target_"})
        ):
            mistakes.append(f"callback.{name}: {why}")
    if plain["objective"] is not None and plain["objective"] not in offered:
        mistakes.append(f"objective: no metric gives {plain['objective']}; {suggest(plain['objective'], offered)}")
    mistakes += _class_mistakes(plain) or ([] if mistakes else _shape_mistakes(plain))
    if mistakes:
        raise UserError(*mistakes)


def _trainer_mistakes(plain: Plain) -> list[str]:
    allowed = f"allowed: {', '.join(TRAINER[1:])}"
    found = [f"trainer.{k}: not an option here; {INSTEAD.get(k, allowed)}" for k in plain["trainer"] if k not in TRAINER]
    steps = plain["trainer"].get("max_steps")
    if steps is None or steps < 1:
        found.append(f"trainer.max_steps: {steps} should be a number of generator updates, at least 1")
    if (processes := world_size(plain)) > 1 and not isinstance(plain["trainer"].get("strategy"), dict):
        found.append(f"trainer.devices: {processes} processes need to know how they work together; use trainer=ddp")
    if plain["trainer"].get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        cure = "to train without: trainer=default, or trainer=ddp for several processes"
        found.append(f"trainer.accelerator: {plain['trainer']['accelerator']}: there is no CUDA GPU on this machine; {cure}")
    if plain["trainer"].get("num_nodes", 1) > 1 and not is_distributed():
        cure = "start it on each node, with torchrun or srun: docs/processes.md"
        found.append(f"trainer.num_nodes: {plain['trainer']['num_nodes']} nodes, but this is the only process; {cure}")
    kind = (plain.get("logger") or {}).get("_target_", "").rpartition(".")[2].removesuffix("Logger").lower()
    if kind in EXTRAS and importlib.util.find_spec(kind) is None:
        found.append(f"logger: {kind} is not installed; pip install 'gan-lightning[{kind}]'")
    precision = str(plain["trainer"].get("precision", PRECISIONS[0]))
    if precision.startswith("16"):
        found.append(f"trainer.precision: {precision} needs a loss scaler, which manual optimization has not; use bf16-mixed")
    elif precision not in PRECISIONS:
        found.append(f"trainer.precision: {precision} is not supported; allowed: {', '.join(PRECISIONS)}")
    if found:
        return found
    quiet = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        build_bare_trainer(plain, logger=False, callbacks=[])
    except Exception as error:  # Lightning's word on its own arguments
        said = str(error).strip().splitlines()[0]
        if named := [k for k in plain["trainer"] if f"`{k}`" in said]:
            return [f"trainer.{named[0]}: {said}"]
        given = ", ".join(f"{k}={plain['trainer'].get(k)}" for k in ("accelerator", "devices", "precision", "strategy"))
        return [f"trainer: {said} ({given})"]
    finally:
        quiet.setLevel(level)
    return []


def _batch_mistakes(plain: Plain) -> list[str]:
    batch, accumulate, packing = plain["data"]["batch_size"], plain["gan"]["accumulate_grad_batches"], plain["gan"]["packing"]
    if batch % accumulate:
        return [f"gan.accumulate_grad_batches: {accumulate} parts do not divide data.batch_size={batch}"]
    if (batch // accumulate) % packing:
        part = f"data.batch_size={batch}" + (f" in {accumulate} parts" if accumulate > 1 else "")
        return [f"gan.packing: {packing} samples at a time do not divide {part}"]
    return []


def _class_mistakes(plain: Plain) -> list[str]:
    there = plain["data"]["num_classes"]
    asked = {
        name: node["num_classes"] for name, node in plain["model"].items() if isinstance(node, dict) and "num_classes" in node
    }
    data_have = f"the data have {there}" if there else "the data are unlabelled (data.num_classes=0)"
    cure = f"model.num_classes={there}, or 0 to ignore the labels" if there else "model.num_classes=0"
    if len(set(asked.values())) == 1:
        asked = {"num_classes": next(iter(asked.values()))}
    found = [f"model.{name}: {k} classes, but {data_have}; use {cure}" for name, k in asked.items() if k not in (0, there)]
    if len(set(asked.values())) > 1 and not found:
        found.append(f"model: {', '.join(f'{k} classes in {name}' for name, k in asked.items())}; set model.num_classes alone")
    if plain["gan"]["packing"] > 1 and any(asked.values()):
        found.append(
            f"gan.packing: {plain['gan']['packing']} samples share a logit, but have a label each; use model.num_classes=0"
        )
    return found


def _shape_mistakes(plain: Plain) -> list[str]:
    shape, labelled = list(plain["data"]["sample_shape"]), plain["data"]["num_classes"]
    packing, n = plain["gan"]["packing"], plain["data"]["batch_size"] // plain["gan"]["accumulate_grad_batches"]
    with torch.device("meta"):
        try:
            both = build_networks(plain)
        except ValueError as error:
            return [f"model: {error}"]
        z, labels = torch.empty(n, plain["gan"]["latent_dim"]), torch.empty(n, dtype=torch.long) if labelled else None
        try:
            fake = both.generator(z, labels)
        except NotImplementedError:  # a network that can't be run without values: training will tell
            return []
        except (ValueError, RuntimeError) as error:
            return [
                f"model.generator: can't turn {n} z of gan.latent_dim={z.shape[1]} into samples: {str(error).splitlines()[0]}"
            ]
        if list(fake.shape) != [n, *shape]:
            return [f"model.generator: draws samples of shape {list(fake.shape[1:])}, but data.sample_shape is {shape}"]
        seen = torch.empty(n // packing, packing * shape[0], *shape[1:])
        try:
            logits = both.discriminator(seen, labels).logits
        except NotImplementedError:
            return []
        except (ValueError, RuntimeError) as error:
            return [f"model.discriminator: can't judge samples of shape {list(seen.shape[1:])}: {str(error).splitlines()[0]}"]
        if logits.shape != (n // packing,):
            wrong = list(logits.shape)
            return [f"model.discriminator: its logits have shape {wrong} for {n // packing} samples, not [{n // packing}]"]
    return []
