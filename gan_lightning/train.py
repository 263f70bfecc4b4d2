"""gan-train: compose, check, rehearse, then train; one run or a sweep (-m), a new run or one to go on with (run=)."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lightning.cluster import heeded
from gan_lightning.config import Composer, Plain, Refused, config_dir, flat, switches
from gan_lightning.meeting import agreed, begun, directory, refused, several

if TYPE_CHECKING:
    from gan_lightning.run import Run

TILDE = re.compile(r"^([^=]+=)(~/.*)$")  # a home folder, which no shell expands behind a dotted key, and Hydra can't read
OmegaConf.register_new_resolver("short_id", lambda: secrets.token_hex(4), use_cache=True, replace=True)


def main() -> None:
    """The console script."""
    with heeded():
        command()


def command() -> None:
    """What it does, from its arguments to its exit code."""
    line = sys.argv[1:] = [TILDE.sub(r"\1'\2'", word) for word in sys.argv[1:]]
    directory = next((word.partition("=")[2] for word in line if word.startswith("run=")), None)
    debug = "debug=true" in line
    try:
        if any(word.startswith("fork=") for word in line):
            line = sys.argv[1:] = forked(line)
        if directory is not None:
            sys.exit(go_on(directory, [word for word in line if not word.startswith("run=")]))
        asked = switches(line)
        composer = Composer(asked.config_dir, asked.config_name)
        if asked.help or asked.cfg or asked.info:
            composer.compose(asked.overrides)
            added(composer, asked.overrides)
        elif not (asked.hydra_help or asked.shell_completion):
            end = max((i for i, word in enumerate(line, 1) if word in asked.overrides), default=0) + 1
            sys.argv[end:end] = together(asked, composer)  # Hydra's parser wants them beside the others
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(job)()
        if failures:
            sys.exit(f"{len(failures)} of the sweep's jobs failed:\n" + "\n".join(failures))
    except Refused as error:
        sys.exit(refused(error, debug))


def together(asked: argparse.Namespace, composer: Composer) -> list[str]:
    """`preview`, and, where something has started this command several times, the run directory that is one for all."""
    if swept(asked):
        if several():
            raise Refused("-m: a sweep starts the processes of its jobs itself: it is started once, not by torchrun or srun")
        return preview(asked, composer)
    found = agreed(lambda: composer.compose(asked.overrides), lambda: preview(asked, composer))
    return [*found, *directory(lambda: composer.output_dir(asked.overrides))]


def swept(asked: argparse.Namespace) -> bool:
    """Whether a command line asks for several jobs."""
    return asked.multirun or any(word == "hydra.mode=MULTIRUN" for word in asked.overrides)


def preview(asked: argparse.Namespace, composer: Composer) -> list[str]:
    """Compose, check and rehearse every job before Hydra begins with the first: it makes folders. Raises Refused.

    Returns what Hydra's command line lacks: that swept keys stand in the names of a sweep's folders.
    """
    multirun = swept(asked)
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
    kind: Literal["run", "sweep"] = "sweep" if multirun else "run"
    if (folder := composer.folder(kind, asked.overrides)) is not None:
        writable(f"hydra.{kind}.dir={folder}")
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
    if not (there.is_dir() and os.access(there, os.W_OK)):
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
    from gan_lightning.training import train

    task = HydraConfig.get()
    sweep = task.mode is not None and task.mode.name == "MULTIRUN"
    if sweep:
        print(f"\njob {task.job.num}: {task.job.override_dirname or 'no overrides'}", flush=True)
    overrides = [word for word in task.overrides.task if not word.startswith("hydra.")]
    try:
        run = begun(task.runtime.output_dir, config, overrides)
        if run.finished(config.trainer.max_steps):
            print(f"already finished, skipped: {run.path}")
            return objective(run)
        code = train(run, rehearsed(config))
    except Refused as error:
        if not sweep:
            sys.exit(refused(error, config.debug))
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
    from gan_lightning.training import Change, train

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

    def again() -> Plain:
        regrouped(run, config)
        return rehearsed(config)

    plain = agreed(lambda: config, again)
    changes, steps = run.changes(config), plain["trainer"]["max_steps"]
    if run.finished(steps, early=not changes):
        step, reason = int(run.result["step"]), run.result.get("reason")
        cure = "callback.…=…" if reason else f"trainer.max_steps={2 * step}"
        print(f"finished at step {step}{f' ({reason})' if reason else ''}; to go on: gan-train run={directory} {cure}")
        return 0
    for change in changes:
        print(f"changed: {change}")
    return train(run, plain, Change(config, changes, overrides))


def regrouped(run: Run, config: DictConfig) -> None:
    """On another number of processes, each one's batch is such that all of them see the same samples in a step as before."""
    from gan_lightning.build import ranks
    from gan_lightning.config import resolved

    before, now = run.result.get("processes") or ranks(resolved(run.config)), ranks(resolved(config))
    if before == now:
        return
    whole = config.data.batch_size * before
    if whole % now:
        raise Refused(f"trainer.devices: a step's {whole} samples can't be shared by {now} processes")
    config.data.batch_size = whole // now
    print(f"{now} processes in place of {before}: the same samples in each step, but sums are taken otherwise: not bit for bit")


def forked(line: list[str]) -> list[str]:
    """`fork=RUN_DIR step=N …` as what the parent was asked for and, over it, this. Raises Refused."""
    from gan_lightning.run import Run

    told = dict(word.split("=", 1) for word in line if word.startswith(("fork=", "step=")))
    rest = [word for word in line if not word.startswith(("fork=", "step="))]
    try:
        parent, step = Run(told["fork"]), told.get("step", "")
    except Refused as error:
        raise Refused(*(line.replace("run=", "fork=", 1) for line in error.lines)) from None
    if not step.isdigit():
        steps = ", ".join(map(str, parent.checkpoints))
        there = f"there are checkpoints of {steps}" if steps else "there is none yet"
        cure = "and any step can be reached from those before it"
        raise Refused(f"fork={told['fork']}: from which step? step=N; {there}, {cure}")
    asked = switches(rest)
    composer, overrides = Composer(asked.config_dir, asked.config_name), parent.result.get("overrides", [])
    if changed := parent.changes(composer.compose(overrides)):
        raise Refused(f"fork={told['fork']}: what it was asked for gives another config now: {'; '.join(changed)}")
    if strange := next((o for o in composer.parse(overrides) if o.key_or_group.startswith("hydra")), None):
        raise Refused(f"fork={told['fork']}: its result.json wants {strange.input_line}; what concerns Hydra itself is typed")
    given = composer.parse(asked.overrides)
    keys = {"fork", *(o.key_or_group for o in given)}
    groups = [o.key_or_group.replace("/", ".") for o in given if composer.is_group(o)]
    kept = [
        word
        for o, word in zip(composer.parse(overrides), overrides, strict=True)
        if o.key_or_group not in keys and not any(o.key_or_group.startswith(f"{group}.") for group in groups)
    ]
    where = str(parent.path.absolute()).replace("'", "\\'")
    return [*kept, *rest, f"fork={{run:'{where}',step:{step}}}"]


if __name__ == "__main__":
    main()
