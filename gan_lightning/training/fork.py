"""Fit a parent's checkpoint to the config of a run that is forked from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from gan_lightning.config.errors import UserError
from gan_lightning.config.instantiate import build_gan
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate
from gan_lightning.run.directory import Run
from gan_lightning.step.optimization import PLAYERS
from gan_lightning.storage.checkpoint_io import DurableCheckpointIO
from gan_lightning.storage.plain_data import first_difference
from gan_lightning.storage.safe_load import UnsafeFileError
from gan_lightning.training.expected_checkpoint import KEYS
from gan_lightning.training.expected_moments import Moments, expected_moments

INHERITED = ("generator.", "discriminator.", "ema.")  # state that a fork takes over from its parent whole, or not at all


def inherit_checkpoint(parent: Run, source: Path, plain: Plain, run: Run) -> None:
    """Write the first checkpoint of a fork: the parent's at `source`, fitted to the fork's config `plain`, with the fork's id.

    The networks and the running average are the parent's. An optimizer keeps its moments where its class and its parameter
    groups are the same, with the learning rate and betas of `plain`; otherwise it is initialised anew, like a new
    regularizer. Raises UserError if the networks do not fit.
    """
    try:
        saved = DurableCheckpointIO().load_checkpoint(source)
    except UnsafeFileError as error:
        raise UserError(f"{source}: {error}") from None
    gan = build_gan(plain)
    fresh, old = gan.state_dict(), saved["state_dict"]
    fits = {name: x for name, x in old.items() if name in fresh and fresh[name].shape == x.shape}
    unfit = [name for name in {**fresh, **old} if name.startswith(INHERITED) and name not in fits]
    if unfit:
        raise UserError(
            f"fork={parent.path}: its networks don't fit this config, first in {unfit[0]}; keep its model, data and prior"
        )
    before, optimizers = validate(parent.config)["optimizer"], []
    for player, optimizer, theirs in zip(PLAYERS, gan.configure_optimizers(), saved["optimizer_states"], strict=True):
        same_class = plain["optimizer"][player]["_target_"] == before[player]["_target_"]
        moments = expected_moments(gan.player_optimizers[player].make, optimizer)
        optimizers.append(_optimizer_state(player, optimizer, theirs, same_class and fitting(theirs["state"], moments)))
    saved = {key: value for key, value in saved.items() if key in KEYS}
    saved |= {"state_dict": fresh | fits, "optimizer_states": optimizers, "callbacks": {}}
    DurableCheckpointIO(run.id).save_checkpoint(saved, run.checkpoint_path(plain["fork"]["step"]))


def fitting(state: Moments, moments: Moments | None) -> bool:
    """Return whether a parent's state of an optimizer holds what the fork's one keeps of each parameter."""
    return moments is None or all(
        i in moments and first_difference(entry, moments[i], "") is None for i, entry in state.items()
    )


def _optimizer_state(player: str, optimizer: Optimizer, theirs: dict[str, Any], same: bool) -> dict[str, Any]:
    own = optimizer.state_dict()
    sizes = [[len(group["params"]) for group in state["param_groups"]] for state in (own, theirs)]
    if same and sizes[0] == sizes[1]:
        own["state"] = theirs["state"]
    else:
        print(f"optimizer.{player}: begins afresh")
    return own
