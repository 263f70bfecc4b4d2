"""Jobs through Hydra's launchers: one after the other, beside one another, or on a cluster.

Hydra's own sweep ends at the first job that leaves no result, and tells nothing of the others. Here a launcher is only asked
to start jobs and to wait for them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

from gan_lightning.config.compose import Composer, quote_value
from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.hydra_internals import Callbacks
from gan_lightning.run.directory import Run
from gan_lightning.sweep.job import NO_REASON, job, mark_dead
from gan_lightning.sweep.plan import Job, Plan

AT_ONCE = {  # jobs that a launcher is given in one go; all of them, unless said here
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": 1,  # it keeps each job's config till the last has ended
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher": os.cpu_count() or 1,  # it starts all of them
}
THREADS = "OMP_NUM_THREADS"  # of a job: the same number under every launcher, since sums of other parts have other bits


def launch_jobs(composer: Composer, plan: Plan, pending: Sequence[Job]) -> None:
    """Run these jobs. Raises UserError if the launcher could not start any."""
    hydra = composer.hydra
    common = [*plan.hydra, f"hydra.sweep.dir={quote_value(str(plan.folder))}"]
    common += [f"++hydra.job.env_set.{THREADS}={quote_value(os.environ.get(THREADS, '1'))}"]
    master = hydra.compose_config(composer.name, common, RunMode.MULTIRUN, with_log_configuration=False)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(master))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=master)
    at_once = AT_ONCE.get(master.hydra.launcher["_target_"], len(pending))
    begun = 0
    while begun < len(pending):
        batch = pending[begun : begun + at_once]
        asked = [[*one.overrides, f"hydra.sweep.subdir={quote_value(one.directory)}"] for one in batch]
        states: list[str] = []
        try:
            with wait_for_every_job(states):
                launcher.launch(asked, initial_job_idx=begun)
        except Exception as error:
            if not any((plan.folder / one.directory / "config.yaml").exists() for one in batch):
                chosen = master.hydra.runtime.choices.get("hydra/launcher", "basic")
                raise UserError(f"hydra/launcher={chosen}: {type(error).__name__}: {one_line(error)}") from None
            print(f"the launcher gave up: {type(error).__name__}: {one_line(error)}", file=sys.stderr)
        for one, state in zip(batch, states, strict=False):
            record_cluster_state(plan, one, state)
        begun += len(batch)


def record_cluster_state(plan: Plan, one: Job, state: str) -> None:
    """Write down what the cluster says of a job that did not finish."""
    path = plan.folder / one.directory
    if not (path / "config.yaml").exists():
        return
    run = Run(path)
    mark_dead(run, f"{NO_REASON}; the cluster says {state}")
    result = run.result
    if result.get("status") == "preempted" and state not in (said := str(result.get("reason"))):
        run.record(reason=f"{said}; the cluster says {state}")
    (path / ".lock.owner").unlink(missing_ok=True)  # whoever held it has ended, wherever that was


@contextmanager
def wait_for_every_job(states: list[str]) -> Iterator[None]:
    """Let submitit wait for every job, and answer with nothing: `states` says how each ended, as the cluster has it."""
    try:
        import submitit
    except ImportError:
        yield
        return

    def results(waited: Any) -> list[None]:
        waited.wait()
        states.append(str(waited.state))
        return [None]

    with mock.patch.object(submitit.Job, "results", results):
        yield
