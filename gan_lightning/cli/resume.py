"""The continuation of runs by gan-train: run= trains a run further, fork= starts a new run from another one's checkpoint.

Imports neither torch nor Lightning at module level, so that `gan-train --help` starts fast.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_lightning.cli.changed_data import require_parents_data, take_acceptance
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.outside_places import require_typed_places, without_download
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import Plain, resolve
from gan_lightning.config.text_keys import quote_changes
from gan_lightning.config.world_size import world_size
from gan_lightning.distributed.rendezvous import agree_on_config
from gan_lightning.storage.home import expand_home
from gan_lightning.storage.printable import printable

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run

# What may change when a run continues: nothing that its weights, its optimizers or the order of its data depend on, except
# that another device, or another number of devices or threads, rounds sums otherwise. What ends in a dot is a whole node.
CHANGEABLE = (
    "trainer.max_steps",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.strategy.timeout",
    "trainer.detect_anomaly",
    "trainer.profiler",
    "checkpoint.",
    "callback.",
    "logger.",
    "data.root",
    "data.cache",
    "data.download",
    "data.num_workers",
    "feature.weights",
    "threads",
    "debug",
)


def resume(run_dir: str, overrides: list[str]) -> int:
    """Train a run further from its newest checkpoint, by its own config with these overrides, and return the exit code.

    Raises UserError, also for an override of a key that may not change.
    """
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.config.validate import validate
    from gan_lightning.run.directory import Run
    from gan_lightning.run.unrecorded_end import preemption_recorded
    from gan_lightning.training.data_change import refuse_changed_layout
    from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint
    from gan_lightning.training.fit import ConfigChange, train

    if not run_dir:
        raise UserError("run=: empty; give the directory of a run: run=RUN_DIR")
    run = Run(expand_home(run_dir))
    accepts_data, overrides = take_acceptance(overrides)
    overrides = quote_changes(run.config, overrides)
    config = change_config(run, overrides)
    typed = {override.partition("=")[0].lstrip("+") for override in overrides}

    def check() -> Plain:
        require_typed_places(validate(config), typed, f"run={run.path}")
        rescale_batch_size(run, config)
        try:
            return validate_and_preflight(config)
        except UserError as error:
            refuse_changed_layout(run, error.__cause__)
            raise

    plain = without_download(agree_on_config(lambda: config, check), typed)
    changes, steps = run.changes(config), plain["trainer"]["max_steps"]
    if run.finished(steps, ExpectedCheckpoint(run, plain).find_mistake, early=not changes):
        print(printable(describe_finished(run, run_dir)))
        return 0
    for change in changes:
        moved = describe_schedules(plain) if change.startswith("trainer.max_steps:") else ""
        print(printable(f"changed: {change}{moved}"))
    with preemption_recorded(run):
        return train(run, plain, ConfigChange(config, changes, overrides, accepts_data))


def describe_finished(run: Run, run_dir: str) -> str:
    """Return where a finished run ended, and the command that goes on with it."""
    step, reason = int(run.result["step"]), run.result.get("reason")
    cure = "callback.…=…" if reason else f"trainer.max_steps={2 * step}"
    again = f"gan-train {shlex.quote(f'run={run_dir}')} {cure}"
    return f"finished at step {step}{f' ({reason})' if reason else ''}; to go on: {again}"


def change_config(run: Run, overrides: list[str]) -> DictConfig:
    """Return a run's config with these values. Raises UserError for anything but one value of a CHANGEABLE key."""
    if switches := [override for override in overrides if override.startswith("-")]:
        raise UserError(*(f"{switch}: run= takes no switches, only values such as trainer.max_steps=" for switch in switches))
    config, composer = run.config, Composer()
    for override, text in zip(composer.parse(overrides), overrides, strict=True):
        key = override.key_or_group
        changeable = key in CHANGEABLE or key.startswith(tuple(k for k in CHANGEABLE if k.endswith(".")))
        if composer.is_group(override) or override.is_delete() or not changeable:
            raise UserError(f"{text}: run= goes on with the run's own {key}; {describe_changeable(run)}")
        if override.is_sweep_override():
            raise UserError(f"{text}: run= goes on with one run; give one value")
        OmegaConf.update(config, key, override.value(), force_add=True)
    before, now = (OmegaConf.select(each, "trainer.strategy.sync_batchnorm", default=True) for each in (run.config, config))
    if before != now:
        raise UserError(f"trainer.strategy.sync_batchnorm: run= goes on with the run's own; {describe_changeable(run)}")
    return config


def describe_changeable(run: Run) -> str:
    """Return the end of an error line: what may change when a run goes on, and the command for anything else."""
    allowed = ", ".join(f"{key}…" if key.endswith(".") else key for key in CHANGEABLE)
    step = max(run.checkpoints, default="N")
    return (
        f"what may change: {allowed}; to go on in a new run: {shlex.join(['gan-train', f'fork={run.path}', f'step={step}'])} …"
    )


def describe_schedules(plain: Plain) -> str:
    """Return the end of a line that names the schedules which another number of steps moves; empty without one."""
    from gan_lightning.config.targets import import_object
    from gan_lightning.step.schedule import Constant, Schedule

    def find(node: Plain, path: str) -> Iterator[str]:
        target = import_object(node["_target_"]) if "_target_" in node else None
        if isinstance(target, type) and issubclass(target, Schedule) and target is not Constant:
            yield path
        for key, value in node.items():
            if isinstance(value, dict):
                yield from find(value, f"{path}.{key}".lstrip("."))

    moved = ", ".join(sorted(find(plain, "")))
    return f"; this moves what is a function of step / max_steps: {moved}" if moved else ""


def rescale_batch_size(run: Run, config: DictConfig) -> None:
    """Change the batch size per process so that a step has the same samples in another number of processes.

    Raises UserError if the samples can't be divided evenly.
    """
    before, now = run.result.get("processes") or world_size(resolve(run.config)), world_size(resolve(config))
    if before == now:
        return
    total = config.data.batch_size * before
    if total % now:
        raise UserError(f"trainer.devices: a step's {total} samples can't be shared by {now} processes")
    config.data.batch_size = total // now
    print(f"{now} processes in place of {before}: the same samples in each step, but sums are taken otherwise: not bit for bit")


class Fork(NamedTuple):
    """Hold what `fork=` requests: its parent, and whether it goes on if the parent's data have changed."""

    typed: str  # the directory as it was typed
    parent: Run
    accepts_data: bool


def take_fork(line: list[str]) -> tuple[Fork | None, list[str]]:
    """Return the fork that a command line requests, and the line with `fork=RUN_DIR step=N` as `fork={run:…,step:…}`.

    The line is returned unchanged, with None, without a `fork=`. Raises UserError.
    """
    given = {key: value for key, _, value in (argument.lstrip("+").partition("=") for argument in line)}
    if "fork" not in given:
        return None, line
    run_dir, step = given["fork"], given.get("step", "")
    if run_dir.startswith("{"):
        value = Composer().parse([f"fork={run_dir}"])[0].value()
        if not (isinstance(value, dict) and [type(value.get(key)) for key in ("run", "step")] == [str, int]):
            raise UserError(f"fork={run_dir}: should be the run and the step to go on from: gan-train fork=RUN_DIR step=N")
        run_dir, step = value["run"], str(value["step"])
    rest = [argument for argument in line if argument.lstrip("+").partition("=")[0] not in ("fork", "step")]
    accepts_data, rest = take_acceptance(rest)
    parent = open_parent(run_dir, step)
    return Fork(run_dir, parent, accepts_data), [
        *rest,
        f"fork={{run:{quote_value(str(parent.path.absolute()))},step:{int(step)}}}",
    ]


def parents_config(fork: Fork | None) -> DictConfig | None:
    """Return the config that a fork begins with: its parent's, which downloads nothing unless that is typed again."""
    if fork is None:
        return None
    config = fork.parent.config
    for key in ("data.download", "data.dataset.download"):
        if OmegaConf.select(config, key, default=None):
            OmegaConf.update(config, key, False)
    return config


def check_fork(fork: Fork, composer: Composer, overrides: list[str]) -> None:
    """Refuse what a fork can't take, and data of its parent that have changed. Raises UserError."""
    parsed = composer.parse(overrides)
    mistakes = []
    for override in parsed:
        if override.key_or_group == "experiment":
            cure = "choose options of groups, or begin a new run"
            mistakes.append(f"{override.input_line}: fork= goes on with the config of its parent, not an experiment's; {cure}")
        elif override.is_delete() or override.package:
            mistakes.append(f"{override.input_line}: fork= takes options of groups and values; to remove a regularizer, =none")
    if mistakes:
        raise UserError(*mistakes)
    typed = {override.key_or_group for override in parsed}
    kept = {key: node for key, node in resolve(fork.parent.config).items() if key not in typed}
    require_typed_places(kept, typed, f"fork={fork.typed}")
    require_parents_data(fork.parent, parsed, fork.accepts_data)


def open_parent(run_dir: str, step: str) -> Run:
    """Open the run of `fork=` and check that `step=` is a number. Raises UserError."""
    from gan_lightning.run.directory import Run

    if not run_dir:
        raise UserError("fork=: empty; give the directory of a run: fork=RUN_DIR step=N")
    try:
        parent = Run(expand_home(run_dir))
    except UserError as error:
        raise UserError(*(line.replace("run=", "fork=", 1) for line in error.lines)) from None
    if not re.fullmatch("[0-9]{1,18}", step):
        steps = ", ".join(map(str, parent.checkpoints))
        available = f"there are checkpoints of {steps}" if steps else "there is none yet"
        cure = "and any step can be reached from those before it"
        raise UserError(f"fork={run_dir}: from which step? step=N; {available}, {cure}")
    return parent
