"""The number of CPU threads of a run: decided once, when the run begins, and used by everything that computes for the run.

Sums are rounded in the order in which threads split them, so a run is only repeated bit for bit by as many threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from gan_lightning.config.instantiate import build_networks, build_unloaded_data, empty_condition
from gan_lightning.config.resolve import Plain
from gan_lightning.config.threads import AUTO, VARIABLE, environment_threads
from gan_lightning.config.validate import validate
from gan_lightning.config.world_size import is_distributed, world_size
from gan_lightning.run.directory import Run
from gan_lightning.step.packing import pack_condition, pack_samples

FLOPS_PER_THREAD = 50e9  # of one forward pass of both networks; the reasons are in docs/processes.md
MOST_BY_SIZE = 8


def run_threads(run: Run, plain: Plain) -> int:
    """Return the number of threads of a run with the validated config `plain`, from which networks may be built.

    The first of these that there is: the config's number; the number that the run recorded when it began; that of the parent
    of a fork; that of a run that began before numbers were recorded; that of OMP_NUM_THREADS; one by the networks' size.
    Raises UserError.
    """
    requested, recorded = plain.get("threads", AUTO), run.result.get("threads")
    if requested != AUTO:
        return int(requested)
    if recorded is not None:
        return int(recorded)
    if plain.get("fork") and Path(plain["fork"]["run"], "config.yaml").is_file():
        parent = Run(plain["fork"]["run"])
        before = validate(parent.config)
        if (
            not before.get("fork") or before["fork"]["step"] < plain["fork"]["step"]
        ):  # otherwise the two are no parent and child
            return run_threads(parent, before)
    from_environment = environment_threads()
    if from_environment is None and run.checkpoints:
        return 1 if is_sweep_job(run) else torch.get_num_threads()
    return from_environment or threads_by_size(plain)


def is_sweep_job(run: Run) -> bool:
    """Return whether the run lies in the folder of a sweep, or in `trials/` of a search."""
    return any((folder / "sweep.json").is_file() for folder in run.path.resolve().parents[:2])


def threads_by_size(plain: Plain) -> int:
    """Return one thread per FLOPS_PER_THREAD of a forward pass, at most MOST_BY_SIZE and this process's share of the CPUs."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if is_distributed() else world_size(plain)
    most = min(MOST_BY_SIZE, available_cpus() // processes)
    return max(1, min(most, int(forward_flops(plain) / FLOPS_PER_THREAD)))


def available_cpus() -> int:
    """Return how many CPUs this process may use, by its affinity and by its container's quota."""
    from joblib import cpu_count

    return int(cpu_count())


def forward_flops(plain: Plain) -> float:
    """Return the floating-point operations of both networks' forward pass on a micro-batch, counted on the meta device.

    A network that the meta device can't run counts two for each parameter and sample.
    """
    n, packing = plain["data"]["batch_size"] // plain["gan"]["accumulate_grad_batches"], plain["gan"]["packing"]
    data = build_unloaded_data(plain)
    condition = empty_condition(data, n)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        networks = build_networks(plain)
        try:
            networks.generator(torch.empty(n, plain["gan"]["latent_dim"]), condition)
            real = torch.empty(n, *data.sample_shape)
            networks.discriminator(pack_samples(real, packing), pack_condition(condition, packing))
        except Exception:  # a user's own network may need values
            return 2.0 * n * sum(p.numel() for network in networks for p in network.parameters())
    return float(counter.get_total_flops())


@contextmanager
def thread_limit(threads: int) -> Iterator[None]:
    """Compute with so many threads inside the block: torch, NumPy's BLAS, and every library that uses OpenMP.

    OMP_NUM_THREADS is set for libraries that are loaded inside the block, and for child processes.
    """
    before, variable = torch.get_num_threads(), os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(threads)
    try:
        with threadpool_limits(threads):
            torch.set_num_threads(threads)
            yield
    finally:
        torch.set_num_threads(before)
        if variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = variable


@contextmanager
def run_thread_limit(run: Run | Path | None) -> Iterator[None]:
    """Compute with the threads of a run inside the block; None: with those of this process. Raises UserError."""
    if run is None:
        yield
        return
    run = Run(run) if isinstance(run, Path) else run
    with thread_limit(run_threads(run, validate(run.config))):
        yield
