"""A checked config → objects. The only place where classes that a config names are called."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import nn

from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import constructor_parameters, import_object
from gan_lightning.config.world_size import is_distributed, world_size
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.prior.base import Prior
from gan_lightning.step.seeding import Purpose, derive_seed


def instantiate(node: Any, **given: Any) -> Any:
    """The object that a node describes, nodes inside it first; `given` completes its arguments."""
    if isinstance(node, dict) and "_target_" in node:
        kept = {k: instantiate(v) for k, v in node.items() if k not in ("_target_", "_partial_")}
        target = import_object(node["_target_"])
        return partial(target, **kept, **given) if node.get("_partial_") else target(**kept, **given)
    return node


def instantiate_group(node: Plain, **offered: Any) -> dict[str, Any]:
    """A list group's objects by name; each is given what its constructor takes of `offered`."""
    found = {}
    for name, inner in node.items():
        taken = constructor_parameters(import_object(inner["_target_"])).keys() & offered.keys()
        found[name] = instantiate(inner, **{key: offered[key] for key in taken})
    return found


class Networks(NamedTuple):
    """The two networks."""

    generator: nn.Module
    discriminator: nn.Module


def build_networks(plain: Plain) -> Networks:
    """Both networks, each from a seed of its own, so that G's weights do not change with D's width."""
    packed = plain["gan"]["packing"]
    channels, *size = plain["data"]["sample_shape"]
    reshaped = {"sample_shape": [packed * channels, *size]} if packed > 1 else {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(Purpose.GENERATOR, plain["seed"]))
        generator = instantiate(plain["model"]["generator"])
        torch.default_generator.manual_seed(derive_seed(Purpose.DISCRIMINATOR, plain["seed"]))
        discriminator = instantiate(plain["model"]["discriminator"] | reshaped)
    return Networks(generator, discriminator)


def build_data(plain: Plain) -> Data:
    """The data, not yet loaded."""
    found: Data = instantiate(plain["data"], seed=plain["seed"], batches_per_step=plain["gan"]["d_steps_per_g_step"])
    return found


def build_metrics(plain: Plain) -> dict[str, GenerativeMetric]:
    """The scores, not yet bound to data; one extractor serves those that want one."""
    wanted = any("feature" in constructor_parameters(import_object(node["_target_"])) for node in plain["metric"].values())
    return instantiate_group(plain["metric"], **({"feature": instantiate(plain["feature"])} if wanted else {}))


def build_prior(plain: Plain) -> Prior:
    """Where z comes from."""
    found: Prior = instantiate(plain["prior"])
    return found


def build_gan(plain: Plain) -> GAN:
    """The game with fresh players."""
    both = build_networks(plain)
    found: GAN = instantiate(
        plain["gan"],
        generator=both.generator,
        discriminator=both.discriminator,
        loss=instantiate(plain["loss"]),
        regularizers=instantiate_group(plain["regularizer"]),
        augmentation=instantiate(plain["augmentation"]),
        prior=build_prior(plain),
        ema=instantiate(plain["ema"], generator=both.generator),
        optimizers={player: instantiate(plain["optimizer"][player]) for player in ("generator", "discriminator")},
        schedule=instantiate(plain["optimizer"]["schedule"]),
        seed=plain["seed"],
    )
    return found


def build_bare_trainer(plain: Plain, **given: Any) -> pl.Trainer:
    """The Trainer of the config, for an endless stream."""
    settled = {"enable_checkpointing": False, "use_distributed_sampler": False, "num_sanity_val_steps": 0}
    settled |= {"enable_model_summary": False, "max_epochs": -1}
    place = (
        TorchElasticEnvironment if world_size(plain) > 1 and is_distributed() else LightningEnvironment
    )  # ours to say, not SLURM's
    given["plugins"] = [*given.get("plugins", []), place()]
    if world_size(plain) == 1:
        plain = plain | {"trainer": {key: value for key, value in plain["trainer"].items() if key != "strategy"}}
    found: pl.Trainer = instantiate(settled | plain["trainer"], **given)
    return found
