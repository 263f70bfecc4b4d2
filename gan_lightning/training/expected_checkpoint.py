"""The expected structure of a checkpoint: that of the state which the run's config would save at this step.

The networks, the optimizers, the callbacks and Lightning's loop of the config are built anew, and a file is compared with what
they would save: names, shapes, dtypes, the settings of the optimizers and the counters of the loop. So no part of training
begins afresh without a word, and no exception is left for the moment at which the state is loaded.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import cached_property
from importlib import metadata
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fit_loop import _FitLoop
from torch.optim import Optimizer

from gan_lightning.config.instantiate import build_gan
from gan_lightning.config.resolve import Plain
from gan_lightning.config.targets import import_object
from gan_lightning.gan import GAN
from gan_lightning.run.directory import Run
from gan_lightning.step.optimization import INITIAL, PLAYERS
from gan_lightning.storage.checkpoint_io import RECORD
from gan_lightning.storage.plain_data import describe_type, first_difference, show, structure
from gan_lightning.training.expected_moments import Moments, expected_moments

KEYS = ("epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "callbacks", "optimizer_states",
        "lr_schedulers")  # fmt: skip
VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.\d{1,4}((rc|\.post|\.dev)\d{1,4})?")
OLDEST_LIGHTNING = (2, 6)
OPTIMIZED = "epoch_loop.manual_optimization.optim_step_progress"  # of Lightning's loop: the counters that a run uses
BATCHES, STEPPED, EPOCHS = "epoch_loop.batch_progress", "epoch_loop.state_dict", "epoch_progress"
UNFIT = "does not fit this run's config.yaml: "


class MisfitError(Exception):
    """Signal that a checkpoint holds something else than is expected; the message is one line."""


class ExpectedCheckpoint:
    """Compare checkpoints of a run with its config; nothing is built before the first comparison."""

    def __init__(self, run: Run, plain: Plain) -> None:
        self.run, self.plain = run, plain
        self.accepted_id: str | None = None  # of the run, as the newest file says that was accepted

    def find_mistake(self, checkpoint: Any, step: int) -> str | None:
        """Return what makes the content of a file no checkpoint of this run at this step, in one line; None: nothing."""
        try:
            record = self._check_keys(checkpoint)
            check_counters(checkpoint, step)
            require_same(checkpoint["state_dict"], dict(self.gan.state_dict()), "state_dict")
            self._check_optimizers(checkpoint["optimizer_states"], step)
            self._check_callbacks(checkpoint["callbacks"], step, record is not None)
            if record is not None:
                check_structure(checkpoint, record)
            self.accepted_id = None if record is None else record["run"]
        except MisfitError as error:
            return str(error)
        return None

    @cached_property
    def gan(self) -> GAN:
        """Return a newly initialised GAN; the random state is left as it was."""
        with torch.random.fork_rng(devices=[]):
            return build_gan(self.plain)

    @cached_property
    def optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Return the new optimizers of D and of G."""
        return self.gan.configure_optimizers()

    @property
    def first_step(self) -> int:
        """Return the step that the run starts from: 0, or the parent's step of a fork."""
        return int(self.plain["fork"]["step"]) if self.plain["fork"] else 0

    def _check_keys(self, checkpoint: Any) -> dict[str, str] | None:
        """Compare keys and run, and return the file's record; None for a file of an earlier version, which has none."""
        if not isinstance(checkpoint, dict) or any(key not in checkpoint for key in KEYS):
            raise MisfitError("is no checkpoint of a run")
        record = checkpoint.get(RECORD)
        if record is None:  # Lightning's hooks let a person's own classes add keys, which only the record knows
            if surplus := [key for key in without_record(checkpoint) if key not in KEYS]:
                raise MisfitError(f"has a surplus {show(surplus[0])}")
            return None
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("run", "structure")):
            raise MisfitError(f"has a {RECORD} that is no record of a checkpoint")
        if self.run.id is not None and record["run"] != self.run.id:
            raise MisfitError("is a checkpoint of another run")
        return record

    def _check_optimizers(self, saved: Any, step: int) -> None:
        if not isinstance(saved, list) or len(saved) != len(self.optimizers):
            found = f"{len(saved)} entries" if isinstance(saved, list) else describe_type(saved)
            raise MisfitError(f"optimizer_states has {found}, not {len(self.optimizers)} entries")
        warming_up = step <= self.plain["gan"]["discriminator_warmup_steps"]  # G is not updated yet
        for i, (player, optimizer) in enumerate(zip(PLAYERS, self.optimizers, strict=True)):
            may_be_empty = step == self.first_step or (player == "generator" and warming_up)
            moments = expected_moments(self.gan.player_optimizers[player].make, optimizer)
            check_optimizer(saved[i], optimizer, moments, f"optimizer_states[{i}]", may_be_empty)

    def _check_callbacks(self, saved: Any, step: int, recorded: bool) -> None:
        """Compare the callbacks' states; those of callbacks that others wrote are only compared with the record."""
        if not isinstance(saved, dict):
            raise MisfitError("callbacks is no mapping")
        classes = [import_object(node["_target_"]) for node in self.plain["callback"].values()]
        stateful = {cls.__qualname__: cls for cls in classes if cls.state_dict is not pl.Callback.state_dict}
        surplus = [key for key in saved if not str(key).startswith(tuple(stateful))]
        if surplus and not recorded:
            raise MisfitError(f"callbacks has a surplus {show(surplus[0])}")
        for name, cls in stateful.items():
            find_mistake: Callable[[Any, GAN], str | None] | None = getattr(cls, "find_state_mistake", None)
            if find_mistake is None:
                continue
            if name not in saved:
                if recorded or step == self.first_step:  # the callback was added since, or the run is a fork
                    continue
                raise MisfitError(f"callbacks lacks {name}")
            if mistake := find_mistake(saved[name], self.gan):
                raise MisfitError(f"callbacks.{name}: {mistake}")


def require_same(found: Any, expected: Any, name: str) -> None:
    """Compare the structure of plain data. Raises MisfitError."""
    if difference := first_difference(found, expected, name):
        raise MisfitError(UNFIT + difference)


def check_structure(checkpoint: Plain, record: dict[str, str]) -> None:
    """Compare the structure of a checkpoint with that when it was saved. Raises MisfitError."""
    if record["structure"] != structure(without_record(checkpoint)):
        raise MisfitError("does not hold what was saved in it: something was added, removed or changed in shape")


def without_record(checkpoint: Plain) -> Plain:
    """Return what a checkpoint holds besides its record."""
    return {key: value for key, value in checkpoint.items() if key != RECORD}


def check_counters(checkpoint: Plain, step: int) -> None:
    """Compare the step in the name with the counters inside: of the file, and of Lightning's loop. Raises MisfitError."""
    inside, version = checkpoint["global_step"], checkpoint["pytorch-lightning_version"]
    if type(inside) is not int or inside != step:
        raise MisfitError(f"is of step {show(inside) if type(inside) is int else describe_type(inside)}, not {step}")
    if not is_supported(version):
        raise MisfitError("was not saved by Lightning {}.{} or later".format(*OLDEST_LIGHTNING))
    if type(checkpoint["epoch"]) is not int or not 0 <= checkpoint["epoch"] <= step + 1 or checkpoint["lr_schedulers"] != []:
        raise MisfitError("has an epoch or a lr_schedulers that no run has")
    loops, expected = checkpoint["loops"], _FitLoop(None).state_dict()  # type: ignore[arg-type] # they need no Trainer
    fit = loops.get("fit_loop") if isinstance(loops, dict) else None
    if not isinstance(fit, dict):
        raise MisfitError("loops lacks fit_loop")
    if version != metadata.version("pytorch-lightning"):  # which may count more or less
        common = fit.keys() & expected.keys()
        fit, expected = {key: fit[key] for key in common}, {key: expected[key] for key in common}
    require_same(fit, expected, "loops.fit_loop")
    check_progress(fit, step)
    if idle := [key for key in expected if key not in (OPTIMIZED, BATCHES, STEPPED, EPOCHS) and fit[key] != expected[key]]:
        raise MisfitError(f"loops.fit_loop.{idle[0]} has counted what no run does")


def is_supported(version: Any) -> bool:
    """Return whether a text is a version of Lightning that a run can have been trained by."""
    match = VERSION.fullmatch(version) if isinstance(version, str) else None
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST_LIGHTNING


def check_progress(fit: Plain, step: int) -> None:
    """Compare the counters of Lightning's loop with the step. Raises MisfitError.

    Lightning counts a batch as completed after the callbacks have seen it, so a state that a callback saves has one less.
    """
    optimized, batches, epochs = (fit.get(key, {}) for key in (OPTIMIZED, BATCHES, EPOCHS))
    counted = [*optimized.get("total", {}).values(), *optimized.get("current", {}).values()]
    seen = [*batches.get("total", {}).values(), *batches.get("current", {}).values()]
    seen += fit.get(STEPPED, {}).values()
    if not counted or any(n != step for n in counted) or any(n not in (step - 1, step) for n in seen):
        raise MisfitError(f"loops.fit_loop has counted other steps than {step}")
    if batches.get("is_last_batch") or any(not 0 <= n <= step + 1 for part in epochs.values() for n in part.values()):
        raise MisfitError("loops.fit_loop is at the end of an epoch, and a run has none")


def check_optimizer(saved: Any, optimizer: Optimizer, moments: Moments | None, name: str, may_be_empty: bool) -> None:
    """Compare the saved state of an optimizer with a new one and its `moments` after a step. Raises MisfitError.

    A parameter that never had a gradient has no moments; where those of another are missing, the file's record differs.
    """
    own = optimizer.state_dict()
    if not isinstance(saved, dict) or saved.keys() != own.keys():
        raise MisfitError(f"{name} is no state of an optimizer")
    groups = saved["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(own["param_groups"]):
        raise MisfitError(f"{name}.param_groups has other groups than the config's optimizer")
    for i, (group, expected) in enumerate(zip(with_defaults(groups, optimizer), own["param_groups"], strict=True)):
        check_group(group, expected, f"{name}.param_groups[{i}]")
    state = saved["state"]
    if not isinstance(state, dict) or (not state and moments and not may_be_empty):
        raise MisfitError(f"{name} has lost its moments")
    for i, entry in state.items():
        if moments is not None and i not in moments:
            raise MisfitError(f"{name}.state has a surplus {show(i)}")
        if moments is not None:
            require_same(entry, moments[i], f"{name}.state.{i}")


def with_defaults(groups: list[Any], optimizer: Optimizer) -> list[Any]:
    """Return saved parameter groups with the settings that torch has added since their version, as it does in loading."""
    loader = copy.copy(optimizer)
    try:
        loader.__setstate__({"state": {}, "param_groups": [dict(group) for group in groups]})
    except Exception:  # the comparison that follows says what is wrong
        return groups
    return loader.param_groups


def check_group(group: Any, expected: Plain, name: str) -> None:
    """Compare a saved parameter group with a new one; of what is scheduled, the first values. Raises MisfitError."""
    if not isinstance(group, dict):
        raise MisfitError(f"{name} is {describe_type(group)}, not dict")
    first = {key: group[INITIAL + key] for key in expected if INITIAL + key in group}  # of settings that are scheduled
    found = {key: value for key, value in group.items() if key not in {INITIAL + scheduled for scheduled in first}}
    require_same(found, expected | {key: found.get(key) for key in ("lr", *first)}, name)
    found |= first
    for key, value in expected.items():
        if isinstance(found[key], torch.Tensor) or found[key] != value:
            raise MisfitError(f"{UNFIT}{name}.{show(key)} is not {value}")
