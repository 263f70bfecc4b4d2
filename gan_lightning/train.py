"""gan-train: compose, check, rehearse, then train; one run or a sweep (-m), a new run or one to go on with (run=)."""

from __future__ import annotations

import argparse
import logging
import os
import re
import secrets
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config import Composer, Plain, Refused, config_dir, flat, one_line, refuse, switches

if TYPE_CHECKING:
    from gan_lightning.run import Run

TILDE = re.compile(r"^([^=]+=)(~/.*)$")  # a home folder, which no shell expands behind a dotted key, and Hydra can't read
OmegaConf.register_new_resolver("short_id", lambda: secrets.token_hex(3), use_cache=True, replace=True)


def main() -> None:
    """The console script."""
    line = sys.argv[1:] = [TILDE.sub(r"\1'\2'", word) for word in sys.argv[1:]]
    directory = next((word.partition("=")[2] for word in line if word.startswith("run=")), None)
    debug = "debug=true" in line
    try:
        if directory is not None:
            sys.exit(go_on(directory, [word for word in line if not word.startswith("run=")]))
        asked = switches(line)
        composer = Composer(asked.config_dir, asked.config_name)
        if asked.help or asked.cfg or asked.info:
            composer.compose(asked.overrides)
            added(composer, asked.overrides)
        elif not (asked.hydra_help or asked.shell_completion):
            sys.argv += preview(asked, composer)
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(job)()
        if failures:
            sys.exit(f"{len(failures)} of the sweep's jobs failed:\n" + "\n".join(failures))
    except Refused as error:
        sys.exit(refuse(error, debug))


def preview(asked: argparse.Namespace, composer: Composer) -> list[str]:
    """Compose, check and rehearse every job before Hydra begins with the first: it makes folders. Raises Refused.

    Returns what Hydra's command line lacks: that swept keys stand in the names of a sweep's folders.
    """
    multirun = asked.multirun or any(word == "hydra.mode=MULTIRUN" for word in asked.overrides)
    jobs = composer.jobs(asked.overrides, multirun)
    said: list[str] = []
    for overrides in jobs:
        try:
            rehearsed(composer.compose(overrides))
            added(composer, overrides)
        except Refused as error:
            said += [f"{' '.join(overrides)}: {line}" if len(jobs) > 1 else line for line in error.lines]
    if said:
        wrong = len({line.partition(": ")[0] for line in said})
        raise Refused(*said, *([f"{wrong} of {len(jobs)} jobs are invalid, nothing was launched"] if len(jobs) > 1 else []))
    for word in asked.overrides:
        if word.startswith(("hydra.run.dir=", "hydra.sweep.dir=")):
            writable(word)
    return (
        [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(composer.unnamed(asked.overrides))}]"] if multirun else []
    )


def added(composer: Composer, overrides: list[str]) -> None:
    """Refuse keys that are new to the config and come without a plus, as Hydra will."""
    groups = [
        word
        for o, word in zip(composer.parse(overrides), overrides, strict=True)
        if composer.is_group(o) or o.is_add() or o.is_force_add()
    ]
    known = OmegaConf.to_container(composer.compose(groups), resolve=False)
    assert isinstance(known, dict)
    if lines := composer.unadded(overrides, flat({str(key): value for key, value in known.items()})):
        raise Refused(*lines)


def writable(word: str) -> None:
    """Refuse a folder that can't be made, before Hydra tries."""
    folder = Path(word.partition("=")[2].strip("'\"")).expanduser()
    there = next((p for p in (folder, *folder.parents) if p.exists()), Path())
    if "$" not in word and not (there.is_dir() and os.access(there, os.W_OK)):
        raise Refused(f"{word}: {there} is {'no folder' if not there.is_dir() else 'not writable'}")


def rehearsed(config: DictConfig) -> Plain:
    """The config as a plain dict, checked and tried. Raises Refused."""
    from gan_lightning.build import rehearse
    from gan_lightning.check import check

    plain = check(config)
    rehearse(plain)
    return plain


# What may change when a run goes on: nothing that its weights, its optimizers or its data's order depend on.
CHANGEABLE = ("trainer.", "checkpoint.", "callback.", "logger.", "data.root", "data.cache", "data.workers", "debug")
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
        if run.finished(config.trainer.max_steps):
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
    if code == 1 and sweep:
        failures.append(f"{task.job.override_dirname}: {run.result['reason']}")
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
        key = override.key_or_group
        if composer.is_group(override) or override.is_delete() or not key.startswith(CHANGEABLE):
            allowed = ", ".join(f"{k}…" if k.endswith(".") else k for k in CHANGEABLE)
            raise Refused(f"{word}: run= goes on with the run's own {key}; what may change: {allowed}")
        if override.is_sweep_override():
            raise Refused(f"{word}: run= goes on with one run; give one value")
        OmegaConf.update(config, key, override.value(), force_add=True)
    plain = rehearsed(config)
    changes, steps = run.changes(config), plain["trainer"]["max_steps"]
    if run.finished(steps, early=not changes):
        step, reason = int(run.result["step"]), run.result.get("reason")
        cure = "callback.…=…" if reason else f"trainer.max_steps={2 * step}"
        print(f"finished at step {step}{f' ({reason})' if reason else ''}; to go on: gan-train run={directory} {cure}")
        return 0
    for change in changes:
        print(f"changed: {change}")
    return train(run, plain, config)


def train(run: Run, plain: Plain, config: DictConfig | None = None) -> int:
    """Fit from the newest checkpoint, or from step 0. Returns the exit code; `config`, if given, replaces the run's."""
    from gan_lightning import build
    from gan_lightning.callback.preemption import Preemption
    from gan_lightning.checkpoint import write_text
    from gan_lightning.data.base import DataError
    from gan_lightning.metric.base import TooFew
    from gan_lightning.run import provenance
    from gan_lightning.stranger import Distrusted
    from gan_lightning.summary import start, summary

    quieten()
    with run.owned(), run.recorded():
        newest = run.newest_good()
        if newest is not None:
            print(f"going on from step {newest[0]}: {run.path}")
            run.keep_metrics()
        try:
            data = build.data(plain)
            trainer = build.trainer(plain, run, data)
            gan = build.gan(plain)
            device = trainer.strategy.root_device.type
            run.record(provenance=provenance(plain["seed"], device))
            print(start(run, plain, gan, device), flush=True)
            if config is not None:
                write_text(run.path / "config.yaml", OmegaConf.to_yaml(config))
                write_text(run.path / "config.resolved.yaml", OmegaConf.to_yaml(config, resolve=True))
            trainer.fit(gan, data, ckpt_path=None if newest is None else str(newest[1]))
        except Distrusted as error:
            raise Refused(f"{newest and newest[1]}: {error}") from None
        except DataError as error:
            raise Refused(*error.lines) from None
        except TooFew as error:
            raise Refused(f"metric.{error}") from None
        except Exception as error:
            if newest is not None and "loading state_dict" in str(error):
                raise Refused(f"{newest[1]}: does not fit this run's config.yaml: {one_line(error)}") from None
            if type(error).__module__.partition(".")[0] in ("wandb", "mlflow"):
                raise Refused(f"logger: {one_line(error)}") from None
            raise
        caught = next(c.caught for c in trainer.callbacks if isinstance(c, Preemption))  # type: ignore[attr-defined]
        status: str
        if run.verdict is not None:
            status, reason = run.verdict
        elif trainer.global_step >= plain["trainer"]["max_steps"]:
            status, reason = "finished", None
        else:
            status, reason = "preempted" if caught == 15 else "stopped", caught.name if caught else None
        run.record(status=status, step=trainer.global_step, reason=reason)
    if trainer.is_global_zero:
        print(summary(run))
    return {"finished": 0, "failed": 1}.get(status, 128 + caught if caught else 0)


def quieten() -> None:
    """Leave out what Lightning says of itself, and its slow look for a GPU in every optimizer step."""
    import warnings

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.trainer.connectors.checkpoint_connector").setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("gan_lightning").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.utils.tensorboard|PIL")
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


if __name__ == "__main__":
    main()
