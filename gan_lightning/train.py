"""gan-train: compose, check, rehearse, then train; one run or a sweep (-m), a new run or one to go on with (run=)."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import traceback
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import Composer, Plain, Refused, config_dir, flat, refuse, switches

if TYPE_CHECKING:
    from gan_lightning.run import Run

OmegaConf.register_new_resolver("short_id", lambda: secrets.token_hex(3), use_cache=True, replace=True)


def main() -> None:
    """The console script."""
    line = sys.argv[1:]
    directory = next((word.partition("=")[2] for word in line if word.startswith("run=")), None)
    debug = "debug=true" in line
    try:
        if directory is not None:
            sys.exit(go_on(directory, [word for word in line if not word.startswith("run=")]))
        asked = switches(line)
        if not (asked.help or asked.hydra_help or asked.cfg or asked.info or asked.shell_completion):
            preview(asked)
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(job)()
        if failures:
            sys.exit(f"{len(failures)} of the sweep's jobs failed:\n" + "\n".join(failures))
    except Refused as error:
        sys.exit(refuse(error, debug))


def preview(asked: argparse.Namespace) -> None:
    """Compose, check and rehearse every job before Hydra begins with the first: it makes folders. Raises Refused."""
    composer = Composer(asked.config_dir, asked.config_name)
    multirun = asked.multirun or any(word == "hydra.mode=MULTIRUN" for word in asked.overrides)
    jobs = composer.jobs(asked.overrides, multirun)
    said: list[str] = []
    for overrides in jobs:
        try:
            config = composer.compose(overrides)
            rehearsed(config)
            if unadded := composer.unadded(overrides, flat(known(composer, overrides))):
                raise Refused(*unadded)
        except Refused as error:
            said += [f"{' '.join(overrides)}: {line}" if len(jobs) > 1 else line for line in error.lines]
    if said:
        wrong = len({line.partition(": ")[0] for line in said})
        raise Refused(*said, *([f"{wrong} of {len(jobs)} jobs are invalid, nothing was launched"] if len(jobs) > 1 else []))


def known(composer: Composer, overrides: list[str]) -> Plain:
    """The config without the values that were typed: the keys that a value may be given for without a plus."""
    groups = [word for o, word in zip(composer.parse(overrides), overrides, strict=True) if composer.is_group(o) or o.is_add()]
    found = OmegaConf.to_container(composer.compose(groups), resolve=False)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def rehearsed(config: DictConfig) -> Plain:
    """The config as a plain dict, checked and tried. Raises Refused."""
    from gan_lightning.build import rehearse
    from gan_lightning.check import check

    plain = check(config)
    rehearse(plain)
    return plain


failures: list[str] = []  # of the sweep's jobs in this process


def job(config: DictConfig) -> float | None:
    """One job as Hydra starts it: alone, or as part of a sweep, which goes on when a job fails."""
    from gan_lightning.run import Run

    task = HydraConfig.get()
    sweep = task.mode is not None and task.mode.name == "MULTIRUN"
    if sweep:
        print(f"\njob {task.job.num}: {task.job.override_dirname or 'no overrides'}", flush=True)
    overrides = [word for word in task.overrides.task if not word.startswith("hydra.")]
    try:
        run = Run.begin(task.runtime.output_dir, config, overrides)
        if run.result.get("status") == "finished" and run.result.get("step") == config.trainer.max_steps:
            print(f"already finished, skipped: {run.path}")
            return objective(run)
        code = train(run, rehearsed(config))
    except Refused as error:
        if not sweep:
            sys.exit(refuse(error, config.debug))
        failures.extend(f"{task.job.override_dirname}: {line}" for line in error.lines)
        return None
    except Exception as error:
        if not sweep:
            raise
        traceback.print_exc()
        failures.append(f"{task.job.override_dirname}: {type(error).__name__}: {error}")
        return None
    if code:
        sys.exit(code)
    return objective(run)


def objective(run: Run) -> float | None:
    """The number that sweepers compare."""
    found: float | None = run.result.get("objective")
    return found


def go_on(directory: str, overrides: list[str]) -> int:
    """Train a run further from its newest checkpoint, with its own config and these values on top. Raises Refused."""
    from gan_lightning.run import Run

    run = Run(directory)
    if wrong := [word for word in overrides if word.startswith("-")]:
        raise Refused(*(f"{word}: run= takes no switches, only values such as trainer.max_steps=" for word in wrong))
    config, composer = run.config, Composer()
    for override, word in zip(composer.parse(overrides), overrides, strict=True):
        if composer.is_group(override):
            raise Refused(f"{word}: run= goes on with the run's own {override.key_or_group}; begin a new run for another")
        if override.is_delete():
            OmegaConf.update(config, override.key_or_group, None)
        else:
            OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    plain = rehearsed(config)
    done = run.result
    if done.get("status") == "finished" and int(done.get("step", 0)) >= plain["trainer"]["max_steps"]:
        print(f"finished at step {done['step']}; to go on: gan-train run={directory} trainer.max_steps={2 * int(done['step'])}")
        return 0
    for change in run.changes(config):
        print(f"changed: {change}")
    return train(run, plain, config)


def train(run: Run, plain: Plain, config: DictConfig | None = None) -> int:
    """Fit from the newest checkpoint, or from step 0. Returns the exit code; `config`, if given, replaces the run's."""
    from gan_lightning import build
    from gan_lightning.callback.preemption import Preemption
    from gan_lightning.checkpoint import write_text
    from gan_lightning.data.base import DataError
    from gan_lightning.summary import start, summary

    quieten()
    with run.owned():
        if config is not None:
            write_text(run.path / "config.yaml", OmegaConf.to_yaml(config))
            write_text(run.path / "config.resolved.yaml", OmegaConf.to_yaml(config, resolve=True))
        data = build.data(plain)
        trainer = build.trainer(plain, run, data)
        there = run.checkpoints
        newest = str(run.checkpoint()) if there else None
        if newest:
            print(f"going on from step {list(there)[-1]}: {run.path}")
        gan, device = build.gan(plain), trainer.strategy.root_device.type
        print(start(run, plain, gan, device), flush=True)
        with run.recorded(plain["seed"], device):
            try:
                trainer.fit(gan, data, ckpt_path=newest)
            except DataError as error:
                raise Refused(str(error)) from None
        caught = next(c.caught for c in trainer.callbacks if isinstance(c, Preemption))  # type: ignore[attr-defined]
        status = (
            "finished" if trainer.global_step >= plain["trainer"]["max_steps"] else "preempted" if caught == 15 else "stopped"
        )
        run.record(status=status, step=trainer.global_step, reason=caught.name if caught and status != "finished" else None)
    if trainer.is_global_zero:
        print(summary(run))
    return 128 + caught if caught and status != "finished" else 0


def quieten() -> None:
    """Leave out what Lightning says of itself, and its slow look for a GPU in every optimizer step."""
    import warnings

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.trainer.connectors.checkpoint_connector").setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("gan_lightning").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.utils.tensorboard")
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


if __name__ == "__main__":
    main()
