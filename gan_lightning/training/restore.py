"""Rebuild networks from a run's checkpoint: the averaged generator alone, or the whole GAN."""

from __future__ import annotations

from pathlib import Path
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

AVERAGE = "ema.average."  # prefix of the averaged generator in the state dict of a GAN


class Sampler(NamedTuple):
    """Hold a trained generator and the config that it was trained with."""

    generator: nn.Module  # the running average, in eval mode
    plain: Plain
    step: int


def load_sampler(run: Run, which: str | int = "latest") -> Sampler:
    """Build the averaged generator of a checkpoint (`latest`, `best` or a step) in eval mode. Raises UserError."""
    plain = validate(run.config)
    state, step = load_state(run, which)
    generator = build_networks(plain).generator
    average = {name.removeprefix(AVERAGE): tensor for name, tensor in state.items() if name.startswith(AVERAGE)}
    _load(generator, average, run.checkpoint_path(step))
    return Sampler(generator.eval().requires_grad_(False), plain, step)


def load_gan(run: Run, which: str | int = "latest") -> tuple[GAN, int]:
    """Build the GAN of a checkpoint in eval mode, and return it with its step. Raises UserError."""
    gan = build_gan(validate(run.config))
    state, step = load_state(run, which)
    _load(gan, state, run.checkpoint_path(step))
    return gan.eval().requires_grad_(False), step


def load_state(run: Run, which: str | int = "latest") -> tuple[dict[str, Tensor], int]:  # name → (*shape)
    """Return the state dict of a checkpoint and its step. Raises UserError if it is missing, damaged or unsafe."""
    path = run.checkpoint(which)
    if why := checkpoints.damage(path):
        good, _ = checkpoints.newest_good(run.checkpoints)
        cure = "no other can be read" if good is None else f"the newest that can be read: checkpoint={good}"
        raise UserError(f"{path}: {why}; {cure}")
    try:
        state = safe_load.load_checkpoint(path)["state_dict"]
    except (safe_load.UnsafeFileError, OSError) as error:
        raise UserError(f"{path}: {one_line(error)}") from None
    return state, int(path.stem.removeprefix("step="))


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path}: does not fit this run's config.yaml: {one_line(error)}") from None
