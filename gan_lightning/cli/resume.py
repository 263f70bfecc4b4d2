"""The continuation of runs by gan-train: run= trains a run further, fork= starts a new run from another one's checkpoint.

Imports neither torch nor Lightning at module level, so that `gan-train --help` starts fast.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from gan_lightning.cli.changed_data import require_parents_data, take_acceptance
from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.config.outside_places import require_typed_places, without_download
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import Plain, resolve
from gan_lightning.config.switches import parse_switches
from gan_lightning.config.text_keys import quote_changes, quote_line
from gan_lightning.config.world_size import world_size
from gan_lightning.distributed.rendezvous import agree_on_config
from gan_lightning.storage.home import expand_home
from gan_lightning.storage.printable import printable

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run

# What may change when a run continues: nothing that its weights, its optimizers or the order of its data depend on, except
# that another number of devices or threads rounds sums otherwise.
CHANGEABLE = (
    "trainer.",
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
    from gan_lightning.training.data_change import refuse_changed_layout
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

    plain = agree_on_config(lambda: config, check)
    plain = without_download(plain, typed)
    changes, steps = run.changes(config), plain["trainer"]["max_steps"]
    if run.finished(steps, early=not changes):
        step, reason = int(run.result["step"]), run.result.get("reason")
        cure = "callback.…=…" if reason else f"trainer.max_steps={2 * step}"
        again = f"gan-train {shlex.quote(f'run={run_dir}')} {cure}"
        print(printable(f"finished at step {step}{f' ({reason})' if reason else ''}; to go on: {again}"))
        return 0
    for change in changes:
        print(printable(f"changed: {change}"))
    return train(run, plain, ConfigChange(config, changes, overrides, accepts_data))


def change_config(run: Run, overrides: list[str]) -> DictConfig:
    """Return a run's config with these values. Raises UserError for anything but one value of a CHANGEABLE key."""
    if switches := [override for override in overrides if override.startswith("-")]:
        raise UserError(*(f"{switch}: run= takes no switches, only values such as trainer.max_steps=" for switch in switches))
    config, composer = run.config, Composer()
    for override, text in zip(composer.parse(overrides), overrides, strict=True):
        key = override.key_or_group
        if composer.is_group(override) or override.is_delete() or not key.startswith(CHANGEABLE):
            allowed = ", ".join(f"{k}…" if k.endswith(".") else k for k in CHANGEABLE)
            raise UserError(f"{text}: run= goes on with the run's own {key}; what may change: {allowed}")
        if override.is_sweep_override():
            raise UserError(f"{text}: run= goes on with one run; give one value")
        OmegaConf.update(config, key, override.value(), force_add=True)
    return config


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


def is_fork(line: list[str]) -> bool:
    """Return whether a command line has `fork=RUN_DIR`; `fork={run:…,step:…}` is what a fork's overrides contain."""
    return any(argument.startswith("fork=") and not argument.startswith("fork={run:") for argument in line)


def expand_fork(line: list[str]) -> list[str]:
    """Replace `fork=RUN_DIR step=N …` by the parent run's overrides, followed by the others of this command line.

    An override of the parent is left out if this line sets the same key, or chooses another option of its group. Raises
    UserError.
    """
    fork = dict(argument.split("=", 1) for argument in line if argument.startswith(("fork=", "step=")))
    accepts_data, rest = take_acceptance([argument for argument in line if not argument.startswith(("fork=", "step="))])
    parent = open_parent(fork["fork"], fork.get("step", ""))
    switches = parse_switches(rest)
    composer, inherited = Composer(switches.config_dir, switches.config_name), parent.result.get("overrides", [])
    if changed := parent.changes(composer.compose(inherited)):
        raise UserError(f"fork={fork['fork']}: its overrides give another config now: {'; '.join(changed)}")
    parsed = composer.parse(inherited)
    if of_hydra := next((o for o in parsed if o.key_or_group.startswith("hydra")), None):
        cure = "what concerns Hydra itself is typed"
        raise UserError(f"fork={fork['fork']}: its result.json contains {of_hydra.input_line}; {cure}")
    typed = composer.parse(quote_line(composer, [*inherited, *switches.overrides], sweep=False)[len(inherited) :])
    require_parents_data(parent, typed, accepts_data)
    keys = {"fork", *(o.key_or_group for o in typed)}
    groups = [o.key_or_group.replace("/", ".") for o in typed if composer.is_group(o)]
    unchanged = [
        text
        for o, text in zip(parsed, inherited, strict=True)
        if o.key_or_group not in keys and not any(o.key_or_group.startswith(f"{group}.") for group in groups)
    ]
    return [*unchanged, *rest, f"fork={{run:{quote_value(str(parent.path.absolute()))},step:{fork['step']}}}"]


def open_parent(run_dir: str, step: str) -> Run:
    """Open the run of `fork=` and check that `step=` is a number. Raises UserError."""
    from gan_lightning.run.directory import Run

    if not run_dir:
        raise UserError("fork=: empty; give the directory of a run: fork=RUN_DIR step=N")
    try:
        parent = Run(expand_home(run_dir))
    except UserError as error:
        raise UserError(*(line.replace("run=", "fork=", 1) for line in error.lines)) from None
    if not step.isdigit():
        steps = ", ".join(map(str, parent.checkpoints))
        available = f"there are checkpoints of {steps}" if steps else "there is none yet"
        cure = "and any step can be reached from those before it"
        raise UserError(f"fork={run_dir}: from which step? step=N; {available}, {cure}")
    return parent
