"""One job of a sweep, as Hydra's launchers call it: it trains in its own process, so that its failure ends no other job.

A job's outcome is recorded in its result.json only: the launcher receives no result and no exception.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gan_lightning.config import preflight, world_size
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import resolve
from gan_lightning.config.threads import VARIABLE
from gan_lightning.distributed.process import outlive_readers, prepare_process
from gan_lightning.distributed.rendezvous import agree_on_config
from gan_lightning.distributed.stopping import Preempted, blocked_signals, ending, exit_on_signal
from gan_lightning.run.begin import begin_on_rank_zero, job_config
from gan_lightning.run.directory import Run
from gan_lightning.run.unrecorded_end import preemption_recorded, record_end, record_exit_code
from gan_lightning.sweep.gpu_lease import lease_gpus
from gan_lightning.sweep.workers import run_in_worker
from gan_lightning.training.fit import train

SUBMITIT = "SUBMITIT_EXECUTOR"  # set in a process that submitit has started for this job alone
PRELOADED = [
    "gan_lightning.training.fit",
    "torch.utils.tensorboard",
    *(f"gan_lightning.callback.{name}" for name in ("checkpoint", "health", "progress", "samples", "scores")),
    "gan_lightning.data.digits",
    "gan_lightning.metric.class_accuracy",
    "gan_lightning.metric.fid",
]
POLL_SECONDS = 0.1  # between two calls of `should_stop`


def job(config: DictConfig) -> None:
    """Train one job of a sweep: the task function of Hydra's launchers. A UserError is printed on stderr, not raised."""
    if multiprocessing.parent_process() is None:
        start_job(config)
    else:
        run_in_worker(lambda: start_job(config))


def start_job(config: DictConfig) -> None:
    """Begin the run of a job, and train it in a process of its own, or in this one if submitit has started it for this job.

    Does nothing once a signal has ended the sweep.
    """
    if ending:
        return
    prepare_process()
    outlive_readers()
    task = HydraConfig.get()
    path = Path(task.runtime.output_dir)
    print(f"\njob {task.job.num}: {path.name}", flush=True)
    try:
        config, overrides = job_config(config)
        agree_on_config(lambda: config, lambda: None)  # srun may have started several tasks for this job
        run = begin_on_rank_zero(str(path), config, overrides)
    except UserError as error:
        print(*error.lines, sep="\n", file=sys.stderr)
    else:
        if SUBMITIT not in os.environ:
            run_in_subprocess(run)
        elif code := train_run(run.path):
            sys.exit(code)  # submitit then takes the job's state from the cluster, which may have queued it again


def run_in_subprocess(run: Run, should_stop: Callable[[], bool] | None = None) -> None:
    """Train the run in a child of a fork server: imports are done once, and the child's memory is freed when it ends.

    `should_stop` is polled during training; once it returns True the child receives SIGINT and saves its state. No cluster
    uses SIGINT to preempt a job, so the child does not ask to be queued again.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=child_main, args=(run.path, dict(os.environ)))
    with blocked_signals():  # also in the fork server, which must outlive its children, and in the child until it can save
        child.start()
    assert child.pid is not None
    try:
        while should_stop is not None and child.is_alive():
            child.join(POLL_SECONDS)
            if child.is_alive() and should_stop():
                send(child.pid, signal.SIGINT)
                break
        child.join()
    except BaseException as error:  # this process is about to end: the child saves its state and ends first
        send(child.pid, error.caught if isinstance(error, Preempted) else signal.SIGINT)
        child.join()
        raise
    finally:
        record_exit_code(run, child.exitcode)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a job's process; SIGINT to its group, as a terminal does, because a launcher leaves it to its ranks."""
    try:
        os.killpg(pid, number) if number is signal.SIGINT else os.kill(pid, number)
    except ProcessLookupError:  # it has no group yet, or has ended and waits to be joined
        os.kill(pid, number)


def child_main(path: Path, environment: dict[str, str]) -> NoReturn:
    """Train the run in the child process, with the parent's environment, and exit.

    The child leaves the terminal's process group, so that ^C reaches it only once: through its parent. Its own children, such
    as the workers that load data, start as in a run of its own: a child of the fork server would pickle what it gives them.
    """
    os.setpgid(0, 0)
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)  # the first one is the default
    os.environ.clear()
    os.environ.update(environment)
    with exit_on_signal():
        prepare_process()
        outlive_readers()
        threading.Thread(target=exit_with_parent, daemon=True).start()
        sys.exit(train_run(path))


def exit_with_parent() -> None:
    """Send SIGTERM to this process once its parent has ended for any reason, so that the state is saved as under SLURM."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def train_run(path: Path) -> int:
    """Train a run to its end and return the exit code; errors are printed on stderr.

    The first line of an unexpected exception is recorded as the reason in result.json.
    """
    run = Run(path)
    try:
        plain = resolve(run.config)
        num_gpus = 0 if plain["trainer"].get("accelerator") == "cpu" else world_size.world_size(plain)
        os.environ.setdefault(VARIABLE, "1")  # decides `threads: auto`: other jobs may run on this machine at the same time
        with preemption_recorded(run), lease_gpus(num_gpus):
            return train(run, preflight.validate_and_preflight(run.config))
    except UserError as error:
        print(*error.lines, sep="\n", file=sys.stderr)
        record_end(run, "failed", one_line(error))
        return error.code
    except Exception as error:
        traceback.print_exc()
        record_end(run, "failed", f"{type(error).__name__}: {one_line(error)}")
        return 1
