"""Train one run to its end, in this process or in several, and record how it ended in result.json."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.errors import UserError, WriteError, one_line
from gan_lightning.config.instantiate import build_data, build_gan
from gan_lightning.config.outside_places import outside_places
from gan_lightning.config.purity import require_pure_generator
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import Plain, settled
from gan_lightning.config.world_size import global_rank, is_distributed, world_size
from gan_lightning.data.base import DataError
from gan_lightning.distributed.launcher import launch_ranks, report_failure
from gan_lightning.distributed.slurm import requeue
from gan_lightning.distributed.store import SharedError, broadcast_from_rank_zero
from gan_lightning.metric.base import TooFewSamplesError
from gan_lightning.run import csv_metrics
from gan_lightning.run.directory import Run, shorten_path
from gan_lightning.run.identity import new_id
from gan_lightning.run.provenance import provenance
from gan_lightning.run.unrecorded_end import locked_if_free, record_exit_code
from gan_lightning.storage import atomic
from gan_lightning.storage.printable import printable
from gan_lightning.storage.safe_load import UnsafeFileError
from gan_lightning.training.data_change import ACCEPT, continuing_command, record_data, require_same_data
from gan_lightning.training.expected_checkpoint import ExpectedCheckpoint
from gan_lightning.training.outcome import outcome_of
from gan_lightning.training.replay import fork
from gan_lightning.training.summary import describe_start, summary
from gan_lightning.training.threads import run_threads, thread_limit
from gan_lightning.training.trainer import build_trainer, first_exception

REPORTED = (UserError.code, WriteError.code)  # exit codes of a rank that has printed its reason itself
QUIET_LOGGERS = (
    "pytorch_lightning",
    "pytorch_lightning.utilities.rank_zero",
    "pytorch_lightning.trainer.connectors.checkpoint_connector",
    "lightning_fabric.utilities.distributed",
)


class ConfigChange(NamedTuple):
    """Hold the config that a resumed run continues with, where it differs from the stored one."""

    config: DictConfig
    lines: list[str]  # `key: old → new`
    overrides: list[str]
    accepts_data: bool = False  # whether the run goes on if its data have changed


class Start(NamedTuple):
    """Hold what rank 0 decides before a run starts or continues."""

    checkpoint: int | None  # the step of the checkpoint to continue from; None: from the beginning
    threads: int  # of the CPU, in each process
    data_changes: list[str]  # what the user accepts of the data


def train(run: Run, plain: Plain, change: ConfigChange | None = None) -> int:
    """Fit a run from its newest checkpoint, or from step 0, and return the exit code.

    A `change` replaces the run's stored config. Starts the processes that `plain` asks for unless this is one of them.
    Raises UserError and WriteError; any other exception is recorded as the reason of the failure and raised again.
    """
    silence_lightning()
    if world_size(plain) > 1 and not is_distributed():
        return train_in_ranks(run, plain, change)
    with ExitStack() as stack:
        stack.enter_context(record_failure())

        def lock_and_find_step() -> tuple[int | None, list[str]]:
            stack.enter_context(run.locked())
            data_changes = require_expected_data(run, plain, change)
            stack.enter_context(run.status_recorded())  # after the comparison: a refused command leaves the result as it was
            return resume_step(run, plain), data_changes

        step, data_changes = broadcast_from_rank_zero("newest", lock_and_find_step)
        threads = broadcast_from_rank_zero("threads", lambda: run_threads(run, plain))
        with thread_limit(threads):
            trainer = fit(run, plain, change, Start(step, threads, data_changes))
        outcome = outcome_of(run, trainer)
        if global_rank() == 0:
            run.record(status=outcome.status, step=trainer.global_step, reason=outcome.reason)
    print(summary(run), flush=True)
    if global_rank() == 0 and outcome.status == "preempted" and outcome.signal and (job := requeue(outcome.signal)):
        print(f"job {job} is queued again")
    return outcome.exit_code


def fit(run: Run, plain: Plain, change: ConfigChange | None, begin: Start) -> pl.Trainer:
    """Build the data, the Trainer and the GAN, fit from the checkpoint of `begin`, and return the Trainer.

    Raises UserError and WriteError.
    """
    checkpoint = None if begin.checkpoint is None else run.checkpoint_path(begin.checkpoint)
    start, first = begin.checkpoint or 0, global_rank() == 0
    if checkpoint is not None and first:
        print(printable(f"going on from step {start}: {run.path}"))
        csv_metrics.archive(run.path, start)
    with training_errors(run, checkpoint):
        data = build_data(plain)
        trainer = build_trainer(plain, run, data, None if start == run.first_step else start)
        gan = build_gan(plain)
        if start == run.first_step:
            require_pure_generator(gan, data)
        device = trainer.strategy.root_device.type
        if first:
            run.record(provenance=provenance(plain["seed"], device), processes=trainer.world_size, threads=begin.threads)
            save_config_change(run, change, start)
            record_data(run, plain, data, begin.data_changes, start)
        print(printable(describe_start(run, plain, gan, device, begin.threads)), flush=True)
        with first_exception():
            trainer.fit(gan, data, ckpt_path=None if checkpoint is None else str(checkpoint))
    return trainer


@contextmanager
def training_errors(run: Run, checkpoint: Path | None) -> Iterator[None]:
    """Translate exceptions that a user can fix, and report unexpected ones to the launcher. Raises UserError and WriteError."""
    try:
        yield
    except UnsafeFileError as error:
        raise UserError(f"{checkpoint}: {error}") from None
    except DataError as error:
        raise UserError(*error.lines) from None
    except TooFewSamplesError as error:
        raise UserError(f"metric.{error}") from None
    except OSError as error:
        in_run = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(run.path)
        if not (in_run or error.errno in atomic.FAILING):
            raise
        raise run.write_error(f"{error.filename or 'the run directory'}: {atomic.reason(error)}") from None
    except Exception as error:
        follows = isinstance(error, RuntimeError)  # a lost connection to another rank raises one too
        report_failure(f"{type(error).__name__}: {one_line(error)}", root_cause=not follows)
        if type(error).__module__.partition(".")[0] in ("wandb", "mlflow"):
            raise UserError(f"logger: {one_line(error)}") from None
        raise


def resume_step(run: Run, plain: Plain) -> int | None:
    """Return the step of the newest checkpoint that can be used, a fork's first one included; None without any.

    A run without an id takes that of the checkpoint, or a new one.
    Raises UserError if there are checkpoints, but none can be used.
    """
    expected = ExpectedCheckpoint(run, plain)
    newest = run.newest_good(expected.find_mistake)
    if newest is None and plain["fork"]:
        fork(run, plain)
        newest = run.newest_good(expected.find_mistake)
    if run.id is None:  # begun by an earlier version, or its result.json is lost
        run.record(id=expected.accepted_id or new_id())
    return None if newest is None else newest[0]


@contextmanager
def record_failure() -> Iterator[None]:
    """Report this rank's failure to the launcher, unless it only follows another rank's."""
    try:
        yield
    except (UserError, OSError) as error:
        if not isinstance(error, SharedError):
            report_failure(one_line(error), root_cause=True)
        raise


def train_in_ranks(run: Run, plain: Plain, change: ConfigChange | None) -> int:
    """Train in as many processes as `plain` asks for, record which rank failed and why, and return the exit code."""
    accepts_data = change is not None and change.accepts_data
    with run.locked():
        require_expected_data(run, plain, change)
        save_config_change(run, change, max(run.checkpoints, default=run.first_step))
        resume_step(run, plain)
        run.record(processes=world_size(plain), threads=run_threads(run, plain))
    command = ["gan_lightning.cli.train", f"run={run.path}", *([ACCEPT] if accepts_data else [])]
    command += [f"{key}={quote_value(value)}" for key, value in outside_places(plain).items()]  # typed, or this run's own
    command += ["data.download=true"] if plain["data"].get("download") else []
    code, failure = launch_ranks(command, world_size(plain))
    if failure is not None and not failure.startswith("rank 0: " if code in REPORTED else "none"):
        with locked_if_free(run) as free:
            if free:
                run.record(status="failed", reason=failure)
    elif code > 128:
        record_exit_code(run, code)
    if failure is not None and code not in REPORTED:
        print(printable(f"run={shorten_path(run.path)}: {failure}"), file=sys.stderr)
    return code


def require_expected_data(run: Run, plain: Plain, change: ConfigChange | None) -> list[str]:
    """Return what the user accepts of the data's changes since the run was trained. Raises UserError for other changes."""
    overrides, accepted = ([], False) if change is None else (change.overrides, change.accepts_data)
    return require_same_data(run, plain, accepted, continuing_command(run, overrides))


def save_config_change(run: Run, change: ConfigChange | None, step: int) -> None:
    """Store a changed config as the run's own, and append step and differences to `continued` in result.json."""
    if change is None or not change.lines:
        return
    atomic.write_text(run.path / "config.yaml", OmegaConf.to_yaml(settled(change.config)))
    atomic.write_text(run.path / "config.resolved.yaml", OmegaConf.to_yaml(change.config, resolve=True))
    keys = [word.partition("=")[0] for word in change.overrides]
    unchanged = [word for word in run.result.get("overrides", []) if word.partition("=")[0] not in keys]
    earlier = run.result.get("continued", [])
    run.record(overrides=unchanged + change.overrides, continued=[*earlier, {"step": step, "changed": change.lines}])


def silence_lightning() -> None:
    """Suppress Lightning's own messages, and its slow GPU probe in every optimizer step."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError):  # TensorBoard's writer thread on a full disk: the main thread reports it
            threading.__excepthook__(args)

    threading.excepthook = hook
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("gan_lightning").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.utils.tensorboard|PIL")
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
