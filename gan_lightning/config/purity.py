"""The rule that in eval mode a generator is a function of (z, condition): each sample on its own, nothing random.

Metrics, pictures and `gan-sample` draw a sample at a position in batches of any size, on any number of ranks, and compare
checkpoints by the same z. So noise of the layers is constant in eval mode, and batch statistics are those of training.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lightning.config.errors import UserError
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.step.seeding import Purpose, seeded_generator

TOLERANCE = 1e-3  # of the largest value; kernels for batches of another size round differently, by some 1e-6 of it
CURE = "in eval mode let each sample depend on its own z and condition alone: constant noise, statistics of training"
NUM_SAMPLES, PARTS = 6, 3  # 6 samples at once, and 2 at a time


class RandomOperationError(Exception):
    """Signal that a random operation was called; its name is the message."""


class NoRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raise RandomOperationError at every operation that draws from torch's generators, on any device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise RandomOperationError(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def random_operation(generator: nn.Module, z: Tensor, condition: Tensor | None) -> str | None:  # (N, Z), (N, …)
    """Return the name of a random operation in eval mode; None if there is none. No value is read: meta tensors will do."""
    training = generator.training
    generator.eval()
    try:
        with NoRandomness():  # type: ignore[no-untyped-call]
            generator(z, condition)
    except RandomOperationError as operation:
        return str(operation)
    finally:
        generator.train(training)
    return None


def require_pure_generator(gan: GAN, data: Data) -> None:
    """Raise UserError unless the samples of a new GAN, in eval mode, depend on their own z and condition alone."""
    source = seeded_generator(Purpose.PICTURE, gan.seed)
    z = gan.prior.sample(NUM_SAMPLES, gan.latent_dim, torch.device("cpu"), source)
    if not is_pure(gan.generator, z, data.conditions(0, NUM_SAMPLES)):
        what = f"{NUM_SAMPLES} samples differ from the same ones drawn {NUM_SAMPLES // PARTS} at a time"
        raise UserError(f"model.generator: {what}; {CURE}")


@torch.no_grad()
def is_pure(generator: nn.Module, z: Tensor, condition: Tensor | None) -> bool:  # (6, Z), (6, …)
    """Return whether 6 samples at once equal the same ones 2 at a time, in eval mode; true of samples that are not finite.

    A copy of the generator is used, with a random number added to every parameter: noise may begin with the strength 0.
    """
    network = copy.deepcopy(generator).eval()
    source = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.add_(0.01 * torch.randn(parameter.shape, generator=source))
    whole = network(z, condition)
    conditions = [None] * PARTS if condition is None else condition.chunk(PARTS)
    parts = torch.cat([network(own, c) for own, c in zip(z.chunk(PARTS), conditions, strict=True)])
    return bool(((parts - whole).abs() <= TOLERANCE * whole.abs().max()).all()) or not whole.isfinite().all()
