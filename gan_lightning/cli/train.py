"""gan-train: compose, check, rehearse, then train; one run or a sweep (-m), a new run or one to go on with (run=)."""

from __future__ import annotations

import re
import secrets
import sys
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.config.compose import Composer, config_dir, parse_switches, quote_value
from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain
from gan_lightning.config.world_size import is_distributed
from gan_lightning.distributed import slurm, stopping
from gan_lightning.distributed.rendezvous import agree_on_config, report_user_error, share_run_dir
from gan_lightning.run.begin import begin_on_rank_zero

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run

TILDE = re.compile(r"^([^=]+=)(~/.*)$")  # a home folder, which no shell expands behind a dotted key, and Hydra can't read
OmegaConf.register_new_resolver("short_id", lambda: secrets.token_hex(4), use_cache=True, replace=True)


def main() -> None:
    """The console script."""
    with stopping.exit_on_signal():
        run_command()


def run_command() -> None:
    """What it does, from its arguments to its exit code."""
    line = sys.argv[1:] = [TILDE.sub(r"\1'\2'", word) for word in sys.argv[1:]]
    share_run_dir = next((word.partition("=")[2] for word in line if word.startswith("run=")), None)
    with exit_codes(report_user_error, "debug=true" in line, foreign=True):
        if any(word.startswith("fork=") for word in line):
            line = sys.argv[1:] = expand_fork(line)
        if share_run_dir is not None:
            sys.exit(resume(share_run_dir, [word for word in line if not word.startswith("run=")]))
        asked = parse_switches(line)
        composer = Composer(asked.config_dir, asked.config_name)
        if asked.help or asked.cfg or asked.info:
            composer.compose(asked.overrides)
            composer.refuse_new(asked.overrides)
        elif asked.multirun or any(word == "hydra.mode=MULTIRUN" for word in asked.overrides):
            from gan_lightning.sweep.execute import execute

            if is_distributed() or slurm.step_environment() is not None:
                raise UserError(
                    "-m: a sweep starts the processes of its jobs itself: it is begun once, not by torchrun or srun"
                )
            sys.exit(execute(composer, asked.overrides))
        elif not (asked.hydra_help or asked.shell_completion):
            end = max((i for i, word in enumerate(line, 1) if word in asked.overrides), default=0) + 1
            sys.argv[end:end] = preflight_command(composer, asked.overrides)  # Hydra's parser wants them beside the others
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(job)()


def preflight_command(composer: Composer, overrides: list[str]) -> list[str]:
    """Check before Hydra begins: it makes folders. Raises UserError.

    Returns what Hydra's command line lacks where something has started this command several times: one run directory for all.
    """
    from gan_lightning.config.preflight import validate_and_preflight

    def preview() -> None:
        validate_and_preflight(composer.compose(overrides))
        composer.refuse_new(overrides)
        composer.refuse_unwritable("run", overrides)

    agree_on_config(lambda: composer.compose(overrides), preview)
    return share_run_dir(lambda: composer.output_dir(overrides))


# What may change when a run goes on: nothing that its weights, its optimizers or its data's order depend on.
CHANGEABLE = ("trainer.", "checkpoint.", "callback.", "logger.", "data.root", "data.cache", "data.num_workers", "debug")


def job(config: DictConfig) -> None:
    """One run, as Hydra starts it."""
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.training.fit import train

    task = HydraConfig.get()
    overrides = [word for word in task.overrides.task if not word.startswith("hydra.")]
    with exit_codes(report_user_error, config.debug, foreign=True):
        run = begin_on_rank_zero(task.runtime.output_dir, config, overrides)
        if run.finished(config.trainer.max_steps):
            print(f"already finished, skipped: {run.path}")
        elif code := train(run, validate_and_preflight(config)):
            sys.exit(code)


def resume(share_run_dir: str, overrides: list[str]) -> int:
    """Train a run further from its newest checkpoint, with its own config and these values on top. Raises UserError."""
    from gan_lightning.config.preflight import validate_and_preflight
    from gan_lightning.run.directory import Run
    from gan_lightning.training.fit import ConfigChange, train

    run = Run(share_run_dir)
    if wrong := [word for word in overrides if word.startswith("-")]:
        raise UserError(*(f"{word}: run= takes no switches, only values such as trainer.max_steps=" for word in wrong))
    config, composer = run.config, Composer()
    for override, word in zip(composer.parse(overrides), overrides, strict=True):
        key = override.key_or_group
        if composer.is_group(override) or override.is_delete() or not key.startswith(CHANGEABLE):
            allowed = ", ".join(f"{k}…" if k.endswith(".") else k for k in CHANGEABLE)
            raise UserError(f"{word}: run= goes on with the run's own {key}; what may change: {allowed}")
        if override.is_sweep_override():
            raise UserError(f"{word}: run= goes on with one run; give one value")
        OmegaConf.update(config, key, override.value(), force_add=True)

    def again() -> Plain:
        rescale_batch_size(run, config)
        return validate_and_preflight(config)

    plain = agree_on_config(lambda: config, again)
    changes, steps = run.changes(config), plain["trainer"]["max_steps"]
    if run.finished(steps, early=not changes):
        step, reason = int(run.result["step"]), run.result.get("reason")
        cure = "callback.…=…" if reason else f"trainer.max_steps={2 * step}"
        print(f"finished at step {step}{f' ({reason})' if reason else ''}; to go on: gan-train run={share_run_dir} {cure}")
        return 0
    for change in changes:
        print(f"changed: {change}")
    return train(run, plain, ConfigChange(config, changes, overrides))


def rescale_batch_size(run: Run, config: DictConfig) -> None:
    """On another number of processes, each one's batch is such that all of them see the same samples in a step as before."""
    from gan_lightning.config.resolve import resolve
    from gan_lightning.config.world_size import world_size

    before, now = run.result.get("processes") or world_size(resolve(run.config)), world_size(resolve(config))
    if before == now:
        return
    whole = config.data.batch_size * before
    if whole % now:
        raise UserError(f"trainer.devices: a step's {whole} samples can't be shared by {now} processes")
    config.data.batch_size = whole // now
    print(f"{now} processes in place of {before}: the same samples in each step, but sums are taken otherwise: not bit for bit")


def expand_fork(line: list[str]) -> list[str]:
    """`fork=RUN_DIR step=N …` as what the parent was asked for and, over it, this. Raises UserError."""
    from gan_lightning.run.directory import Run

    told = dict(word.split("=", 1) for word in line if word.startswith(("fork=", "step=")))
    rest = [word for word in line if not word.startswith(("fork=", "step="))]
    try:
        parent, step = Run(told["fork"]), told.get("step", "")
    except UserError as error:
        raise UserError(*(line.replace("run=", "fork=", 1) for line in error.lines)) from None
    if not step.isdigit():
        steps = ", ".join(map(str, parent.checkpoints))
        there = f"there are checkpoints of {steps}" if steps else "there is none yet"
        cure = "and any step can be reached from those before it"
        raise UserError(f"fork={told['fork']}: from which step? step=N; {there}, {cure}")
    asked = parse_switches(rest)
    composer, overrides = Composer(asked.config_dir, asked.config_name), parent.result.get("overrides", [])
    if changed := parent.changes(composer.compose(overrides)):
        raise UserError(f"fork={told['fork']}: what it was asked for gives another config now: {'; '.join(changed)}")
    if strange := next((o for o in composer.parse(overrides) if o.key_or_group.startswith("hydra")), None):
        raise UserError(f"fork={told['fork']}: its result.json wants {strange.input_line}; what concerns Hydra itself is typed")
    given = composer.parse(asked.overrides)
    keys = {"fork", *(o.key_or_group for o in given)}
    groups = [o.key_or_group.replace("/", ".") for o in given if composer.is_group(o)]
    kept = [
        word
        for o, word in zip(composer.parse(overrides), overrides, strict=True)
        if o.key_or_group not in keys and not any(o.key_or_group.startswith(f"{group}.") for group in groups)
    ]
    return [*kept, *rest, f"fork={{run:{quote_value(str(parent.path.absolute()))},step:{step}}}"]


if __name__ == "__main__":
    main()
