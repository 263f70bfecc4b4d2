"""Instantiation of a validated config. No other module calls the classes that a config names."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor, nn

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.config.construction import bounded_construction
from gan_lightning.config.optimizer_checks import lr_multipliers
from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import constructor_parameters, import_object
from gan_lightning.config.world_size import is_distributed, world_size
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.prior.base import Prior
from gan_lightning.step.optimization import PLAYERS, Player, PlayerOptimizer
from gan_lightning.step.seeding import Purpose, derive_seed
from gan_lightning.storage.home import expand_home


def instantiate(node: Any, **arguments: Any) -> Any:
    """Return the object that a node with a `_target_` describes, or any other node unchanged.

    Nodes inside it are instantiated first; `arguments` are added to those of the node. A `~/` at the beginning of a text is
    expanded, because a class of another library takes it for the name of a folder.
    """
    if isinstance(node, str) and node.startswith("~/"):
        return str(expand_home(node))
    if isinstance(node, dict) and "_target_" in node:
        configured = {k: instantiate(v) for k, v in node.items() if k not in ("_target_", "_partial_")}
        target = import_object(node["_target_"])
        return partial(target, **configured, **arguments) if node.get("_partial_") else target(**configured, **arguments)
    return node


def instantiate_group(group: Plain, **available: Any) -> dict[str, Any]:
    """Return a group's objects by name; each gets those of the `available` arguments that its constructor takes."""
    objects = {}
    for name, node in group.items():
        accepted = constructor_parameters(import_object(node["_target_"])).keys() & available.keys()
        objects[name] = instantiate(node, **{key: available[key] for key in accepted})
    return objects


class Networks(NamedTuple):
    """Hold the two networks of a GAN."""

    generator: nn.Module
    discriminator: nn.Module


def build_networks(plain: Plain) -> Networks:
    """Build both networks, each initialized from its own seed, so that G's weights do not depend on D's width.

    With packing, the discriminator's input has `packing` times the channels of a sample. Raises UserError if they
    are too large.
    """
    packing = plain["gan"]["packing"]
    channels, *size = plain["data"]["sample_shape"]
    packed_shape = {"sample_shape": [packing * channels, *size]} if packing > 1 else {}
    with torch.random.fork_rng(devices=[]), bounded_construction():
        torch.default_generator.manual_seed(derive_seed(Purpose.GENERATOR, plain["seed"]))
        generator = instantiate(plain["model"]["generator"])
        torch.default_generator.manual_seed(derive_seed(Purpose.DISCRIMINATOR, plain["seed"]))
        discriminator = instantiate(plain["model"]["discriminator"] | packed_shape)
    return Networks(generator, discriminator)


def batches_per_step(plain: Plain) -> int:
    """Return how many batches of `data.batch_size` one iteration takes."""
    return int(plain["gan"]["d_steps_per_g_step"]) + bool(plain["gan"].get("fresh_real"))


def build_data(plain: Plain) -> Data:
    """Build the data module; nothing is loaded yet."""
    data: Data = instantiate(plain["data"], seed=plain["seed"], batches_per_step=batches_per_step(plain))
    return data


def build_unloaded_data(plain: Plain) -> Data:
    """Build the data module for its conditions and formats, without a data set inside it, whose files may be gone."""
    own = {key: None if isinstance(value, dict) else value for key, value in plain["data"].items()}
    return build_data(plain | {"data": own})


def build_metrics(plain: Plain) -> dict[str, GenerativeMetric]:
    """Build the metrics by name, without a reference yet; those that take a feature extractor share one."""
    parameters = [constructor_parameters(import_object(node["_target_"])) for node in plain["metric"].values()]
    shared = {"feature": instantiate(plain["feature"])} if any("feature" in names for names in parameters) else {}
    return instantiate_group(plain["metric"], **shared)


def build_prior(plain: Plain) -> Prior:
    """Build the prior of the latents z."""
    prior: Prior = instantiate(plain["prior"])
    return prior


def build_augmentation(plain: Plain) -> Augmentation:
    """Build the augmentation of D's input."""
    augmentation: Augmentation = instantiate(plain["augmentation"])
    return augmentation


def empty_condition(data: Data, n: int) -> Tensor | None:  # -> (n, …)
    """Return the condition of n samples on the meta device: its shape and type without values; None: unconditional."""
    one = data.conditions(0, 1)
    return None if one is None else torch.empty(n, *one.shape[1:], dtype=one.dtype, device="meta")


def build_optimizer(node: Plain, player: Player) -> PlayerOptimizer:
    """Build what optimizes one player, from the `optimizer` node of a config."""
    schedules = [("lr", instantiate(node["schedule"]))]
    schedules += [(name, instantiate(own)) for name, own in node.get("schedules", {}).get(player, {}).items()]
    return PlayerOptimizer(instantiate(node[player]), schedules, lr_multipliers(node, player))


def build_gan(plain: Plain) -> GAN:
    """Build the GAN with newly initialized networks."""
    networks = build_networks(plain)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(Purpose.HEAD, plain["seed"]))
        gan: GAN = instantiate(
            plain["gan"],
            generator=networks.generator,
            discriminator=networks.discriminator,
            loss=instantiate(plain["loss"]),
            regularizers=instantiate_group(plain["regularizer"]),
            augmentation=build_augmentation(plain),
            prior=build_prior(plain),
            ema=instantiate(plain["ema"], generator=networks.generator),
            optimizers={player: build_optimizer(plain["optimizer"], player) for player in PLAYERS},
            seed=plain["seed"],
        )
    return gan


def build_bare_trainer(plain: Plain, **arguments: Any) -> pl.Trainer:
    """Build the config's Trainer for a stream without epochs; `arguments` are added to those of the config."""
    fixed = {"enable_checkpointing": False, "use_distributed_sampler": False, "num_sanity_val_steps": 0}
    fixed |= {"enable_model_summary": False, "max_epochs": -1}
    distributed = world_size(plain) > 1 and is_distributed()
    # given explicitly, because Lightning would detect SLURM and take ranks and number of processes from its variables
    environment = TorchElasticEnvironment() if distributed else LightningEnvironment()
    if not distributed:
        environment.set_global_rank(0)  # Lightning took it from SLURM_PROCID, and only rank 0 logs
    arguments["plugins"] = [*arguments.get("plugins", []), environment]
    if world_size(plain) == 1:
        plain = plain | {"trainer": {key: value for key, value in plain["trainer"].items() if key != "strategy"}}
    trainer: pl.Trainer = instantiate(fixed | plain["trainer"], **arguments)
    return trainer
