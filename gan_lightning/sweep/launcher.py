"""Job launching through Hydra's launchers: one job after another, several at a time, or on a cluster.

Hydra's own sweep ends at the first job that returns no result and does not report the others. Here a launcher only starts jobs
and waits for them; their outcome is read from their result.json.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.hydra_internals import Callbacks
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.threads import VARIABLE
from gan_lightning.run.directory import Run
from gan_lightning.run.unrecorded_end import NO_REASON, locked_if_free
from gan_lightning.sweep.job import job
from gan_lightning.sweep.plan import Job, Plan
from gan_lightning.sweep.workers import launch_in_workers

BATCH_SIZES = {  # jobs per call of a launcher; any other launcher receives all jobs in one call
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": 1,  # it keeps the config of every job until the call returns
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher": os.cpu_count() or 1,  # it starts all at once
}

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


def launch_jobs(composer: Composer, plan: Plan, pending: Sequence[Job]) -> None:
    """Run the pending jobs, in batches where the launcher requires it. Raises UserError if no job of a batch could start."""
    hydra = composer.hydra
    overrides = [*composer.site_overrides(plan.hydra), *plan.hydra, f"hydra.sweep.dir={quote_value(str(plan.folder))}"]
    if not any(f"hydra.job.env_set.{VARIABLE}=" in override for override in plan.hydra):
        # equal under every launcher: it decides the threads of a job, and so how sums are rounded
        overrides += [f"++hydra.job.env_set.{VARIABLE}={quote_value(os.environ.get(VARIABLE, '1'))}"]
    config = hydra.compose_config(composer.name, overrides, RunMode.MULTIRUN, with_log_configuration=False)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=config)
    in_workers = config.hydra.launcher["_target_"] == JOBLIB
    batch_size = BATCH_SIZES.get(config.hydra.launcher["_target_"], len(pending))
    for start in range(0, len(pending), max(batch_size, 1)):
        batch = pending[start : start + batch_size]
        lines = [
            [*composer.for_hydra(planned.overrides), f"hydra.sweep.subdir={quote_value(planned.directory)}"]
            for planned in batch
        ]
        states: list[ClusterState] = []
        try:
            with wait_for_every_job(states):
                launch = partial(launcher.launch, lines, initial_job_idx=start)
                launch_in_workers(launch) if in_workers else launch()
        except Exception as error:
            if not any((plan.folder / planned.directory / "config.yaml").exists() for planned in batch):
                choice = config.hydra.runtime.choices.get("hydra/launcher", "basic")
                raise UserError(f"hydra/launcher={choice}: {type(error).__name__}: {one_line(error)}") from None
            print(f"the launcher gave up: {type(error).__name__}: {one_line(error)}", file=sys.stderr)
        for planned, state in zip(batch, states, strict=False):
            record_cluster_state(plan, planned, state)


class ClusterState(NamedTuple):
    """Hold what the cluster reports of a job that has ended."""

    job: str  # SLURM's id; empty under another executor
    state: str


def record_cluster_state(plan: Plan, planned: Job, ended: ClusterState) -> None:
    """Add the cluster's final state of a job to the reason in its result.json, unless it finished or recorded a failure.

    A run that another process trains, such as a second sweep's, is left alone; the lock of the ended job itself is void, on
    whichever machine it ran.
    """
    path = plan.folder / planned.directory
    if not (path / "config.yaml").exists():
        return
    run = Run(path)
    with locked_if_free(run, ended.job) as free:
        status, reason = (run.result.get(key) for key in ("status", "reason"))
        if free and status == "running":
            run.record(status="failed", reason=f"{NO_REASON}; the cluster reports {ended.state}")
        elif free and status == "preempted" and ended.state not in str(reason):
            run.record(reason=f"{reason}; the cluster reports {ended.state}")


@contextmanager
def wait_for_every_job(states: list[ClusterState]) -> Iterator[None]:
    """Make submitit's launchers wait for every job and raise for none; the jobs' final states are appended to `states`."""
    try:
        import submitit
    except ImportError:
        yield
        return

    def wait_only(submitted: Any) -> list[None]:
        submitted.wait()
        states.append(ClusterState(submitted.job_id if isinstance(submitted, submitit.SlurmJob) else "", str(submitted.state)))
        return [None]

    original = submitit.Job.results
    submitit.Job.results = wait_only  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        submitit.Job.results = original  # type: ignore[method-assign]
