"""One job of a sweep, as a launcher starts it: it trains in a process of its own, and whatever happens there stays there.

What becomes of a job stands in its result.json and nowhere else; a launcher gets no answer and no exception.
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

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from threadpoolctl import threadpool_limits

from gan_lightning.config import preflight, world_size
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import resolve
from gan_lightning.distributed.rendezvous import agree_on_config
from gan_lightning.distributed.stopping import Preempted, exit_on_signal
from gan_lightning.run.begin import begin_on_rank_zero
from gan_lightning.run.directory import Run
from gan_lightning.sweep.gpu_lease import lease_gpus
from gan_lightning.training.fit import train

SUBMITIT = "SUBMITIT_EXECUTOR"  # submitit has given the job a process already
PRELOADED = [
    "gan_lightning.training.fit",
    "gan_lightning.data.digits",
    "gan_lightning.metric.class_accuracy",
    "gan_lightning.metric.fid",
]
NO_REASON = "ended without a word"
POLL_SECONDS = 0.1  # seconds between two looks at a run that may be ended early


def job(config: DictConfig) -> None:
    """What Hydra's launchers call."""
    task = HydraConfig.get()
    overrides = [word for word in task.overrides.task if not word.startswith("hydra.")]
    path = Path(task.runtime.output_dir)
    print(f"\njob {task.job.num}: {path.name}", flush=True)
    try:
        agree_on_config(lambda: config, lambda: None)  # where srun has started several tasks for this one job
        run = begin_on_rank_zero(str(path), config, overrides)
    except UserError as error:
        print(*error.lines, sep="\n", file=sys.stderr)
    else:
        if SUBMITIT not in os.environ:
            run_in_subprocess(run)
        elif code := train_run(run.path):
            sys.exit(code)  # no result for submitit: the cluster's own word on the job counts, and it may be queued again


def run_in_subprocess(run: Run, unwanted: Callable[[], bool] | None = None) -> None:
    """Train in a child of a process that has imported everything already: it starts at once, and its memory goes with it.

    `unwanted` is asked while it trains; once it says yes, the run is stopped as by ^C, which no cluster takes for its own
    signal: its state is saved.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=child_main, args=(run.path, dict(os.environ)))
    child.start()
    try:
        while unwanted is not None and child.is_alive():
            child.join(POLL_SECONDS)
            if child.is_alive() and unwanted():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGINT)
                break
        child.join()
    except BaseException as error:  # this process is to end: the child saves what it has, and goes with it
        assert child.pid is not None
        os.kill(child.pid, error.caught if isinstance(error, Preempted) else signal.SIGINT)
        child.join()
        raise
    mark_dead(run, f"killed by {signal.Signals(-child.exitcode).name}" if child.exitcode and child.exitcode < 0 else NO_REASON)


def mark_dead(run: Run, how: str) -> None:
    """A run whose process is gone is not running: if it left no word, write down `how` it ended, as far as that is known."""
    if run.result.get("status") == "running":
        run.record(status="failed", reason=how)


def child_main(path: Path, environment: dict[str, str]) -> NoReturn:
    """The child. It leaves the terminal's process group, so that ^C reaches it through its parent and once."""
    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=exit_with_parent, daemon=True).start()
    with exit_on_signal():
        sys.exit(train_run(path))


def exit_with_parent() -> None:
    """End as if by SLURM when the parent is gone, whatever took it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def train_run(path: Path) -> int:
    """Train a run to its end. Returns the exit code; a mistake goes to stderr, and its first line to result.json."""
    run = Run(path)
    try:
        plain = resolve(run.config)
        wanted = 0 if plain["trainer"].get("accelerator") == "cpu" else world_size.world_size(plain)
        threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        torch.set_num_threads(threads)
        with lease_gpus(wanted), threadpool_limits(threads):
            return train(run, preflight.validate_and_preflight(run.config))
    except UserError as error:
        print(*error.lines, sep="\n", file=sys.stderr)
        return error.code
    except Exception as error:
        traceback.print_exc()
        if run.result.get("status") == "running":
            run.record(status="failed", reason=f"{type(error).__name__}: {one_line(error)}")
        return 1
