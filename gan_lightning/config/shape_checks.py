"""The checks that run both networks on the meta device: shapes and sizes without values, and no randomness in eval mode."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import SGD

from gan_lightning.config.errors import one_line, suggest
from gan_lightning.config.instantiate import Networks, build_networks, empty_condition
from gan_lightning.config.optimizer_checks import MULTIPLIERS, lr_multipliers
from gan_lightning.config.purity import CURE, random_operation
from gan_lightning.config.resolve import Plain
from gan_lightning.config.size_checks import find_size_mistakes
from gan_lightning.config.term_checks import find_term_mistakes
from gan_lightning.data.base import Data
from gan_lightning.step.optimization import PlayerOptimizer
from gan_lightning.step.packing import pack_condition, pack_samples


def find_shape_mistakes(plain: Plain, data: Data) -> list[str]:
    """Run both networks on a micro-batch, and return the first mistake."""
    shape, packing = list(plain["data"]["sample_shape"]), plain["gan"]["packing"]
    n = plain["data"]["batch_size"] // plain["gan"]["accumulate_grad_batches"]
    with torch.device("meta"):
        try:
            networks = build_networks(plain)
        except ValueError as error:
            return [f"model: {error}"]
    if mistakes := _prefix_mistakes(plain, networks):
        return mistakes
    try:
        condition = empty_condition(data, n)
        z, real = (torch.empty(n, *own, device="meta") for own in ([plain["gan"]["latent_dim"]], shape))
    except (RuntimeError, TypeError, OverflowError) as error:  # a size that no tensor can have
        return [f"data.batch_size: {n} samples of {shape} at a time: {one_line(error)}"]
    with torch.device("meta"):
        try:
            return (
                _generator_mistakes(networks, z, condition, shape)
                or _discriminator_mistakes(networks, real, condition, packing)
                or find_term_mistakes(plain, networks, z, real, condition)
                or find_size_mistakes(
                    plain, networks, (z, condition), (pack_samples(real, packing), pack_condition(condition, packing))
                )
            )
        except NotImplementedError:  # an operation that needs values: an error in shape is raised when training starts
            return []


def _prefix_mistakes(plain: Plain, networks: Networks) -> list[str]:
    """Return a line for each beginning in `optimizer.lr_multipliers` that no parameter's name has, or for a frozen player."""
    mistakes = []
    for player, network in networks._asdict().items():
        names = [name for name, _ in network.named_parameters()]
        prefixes = [".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)]
        multipliers = lr_multipliers(plain["optimizer"], player)
        for prefix in multipliers:
            if prefix not in prefixes:
                mistakes.append(f"{MULTIPLIERS}.{player}.{prefix}: no parameter's name begins so; {suggest(prefix, prefixes)}")
        player_optimizer = PlayerOptimizer(SGD, lr_multipliers=multipliers)
        if names and not any(map(player_optimizer.multiplier, names)):
            mistakes.append(f"{MULTIPLIERS}.{player}: all parameters are frozen, and the {player} would learn nothing")
    return mistakes


def _generator_mistakes(networks: Networks, z: Tensor, condition: Tensor | None, shape: list[int]) -> list[str]:
    try:
        fake = networks.generator(z, condition)
    except (ValueError, RuntimeError) as error:
        if isinstance(error, NotImplementedError):
            raise
        what = f"{len(z)} z of gan.latent_dim={z.shape[1]}"
        return [f"model.generator: can't turn {what} into samples: {str(error).splitlines()[0]}"]
    if list(fake.shape) != [len(z), *shape]:
        return [f"model.generator: draws samples of shape {list(fake.shape[1:])}, but data.sample_shape is {shape}"]
    if operation := random_operation(networks.generator, z, condition):
        return [f"model.generator: draws random numbers in eval mode ({operation}); {CURE}"]
    return []


def _discriminator_mistakes(networks: Networks, real: Tensor, condition: Tensor | None, packing: int) -> list[str]:
    x, packed = pack_samples(real, packing), pack_condition(condition, packing)
    try:
        logits = networks.discriminator(x, packed).logits
    except (ValueError, RuntimeError) as error:
        if isinstance(error, NotImplementedError):
            raise
        reason = str(error).splitlines()[0]
        if packing > 1 and packed is not None:
            return [f"gan.packing: {packing} samples share a logit, but D can't use the condition of each: {reason}"]
        return [f"model.discriminator: can't judge samples of shape {list(x.shape[1:])}: {reason}"]
    if len(logits.shape) not in (1, 2) or len(logits) != len(x):
        allowed = f"not [{len(x)}] or [{len(x)}, K]"
        return [f"model.discriminator: its logits have shape {list(logits.shape)} for {len(x)} samples, {allowed}"]
    return []
