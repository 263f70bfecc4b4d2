"""Rebuild networks from a run's checkpoint: the averaged generator alone, or the whole GAN."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.instantiate import build_gan, build_networks
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.gan import GAN
from gan_lightning.run import checkpoints
from gan_lightning.run.directory import Run
from gan_lightning.storage import safe_load
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint

AVERAGE = "ema.average."  # prefix of the averaged generator in the state dict of a GAN


class TrainedGenerator(NamedTuple):
    """Hold a trained generator and the config that it was trained with."""

    generator: nn.Module  # the running average, in eval mode
    plain: Plain
    step: int


def load_generator(run: Run, which: str | int = "latest") -> TrainedGenerator:
    """Build the averaged generator of a checkpoint (`latest`, `best` or a step) in eval mode. Raises UserError."""
    plain = validate(run.config)
    state, step = load_state(run, plain, which)
    generator = build_networks(plain).generator
    generator.load_state_dict({name.removeprefix(AVERAGE): x for name, x in state.items() if name.startswith(AVERAGE)})
    return TrainedGenerator(generator.eval().requires_grad_(False), plain, step)


def load_gan(run: Run, which: str | int = "latest") -> tuple[GAN, int]:
    """Build the GAN of a checkpoint in eval mode, and return it with its step. Raises UserError."""
    plain = validate(run.config)
    gan = build_gan(plain)
    state, step = load_state(run, plain, which)
    gan.load_state_dict(state)
    return gan.eval().requires_grad_(False), step


def load_state(run: Run, plain: Plain, which: str | int = "latest") -> tuple[dict[str, Tensor], int]:  # name → (*shape)
    """Return the state dict of a checkpoint and its step. Raises UserError if it is missing, or no checkpoint of this run."""
    path, find_mistake = run.checkpoint(which), ExpectedCheckpoint(run, plain).find_mistake
    try:
        state: dict[str, Tensor] = checkpoints.load_good(path, find_mistake)["state_dict"]
    except (safe_load.UnsafeFileError, OSError) as error:
        good, _ = checkpoints.newest_good(run.checkpoints, find_mistake)
        cure = "no other can be read" if good is None else f"the newest that can be read: checkpoint={good}"
        raise UserError(f"{path}: {one_line(error)}; {cure}") from None
    return state, int(path.stem.removeprefix("step="))
