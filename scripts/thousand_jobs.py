"""The cost of a sweep of a thousand jobs besides training: the time of its check and of a repeated command, and its memory.

python scripts/thousand_jobs.py [FOLDER]

1000 jobs (5 losses × 10 learning rates × 20 seeds of `digits_fast`) are planned as by `gan-train -m` and recorded as
finished. Their status is read as by a repeated command. Then 40 real jobs of one step each run one after the other, and the
memory of this process is read after the first 10 and at the end.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from gan_lightning.config.compose import Composer
from gan_lightning.run.directory import Run
from gan_lightning.sweep.launcher import launch_jobs
from gan_lightning.sweep.plan import plan_sweep
from gan_lightning.sweep.status import Kind, job_statuses

RATES = ",".join(f"{0.0001 * (i + 1):.4f}" for i in range(10))
JOBS = ("experiment=digits_fast", "loss=minimax,non_saturating,hinge,wasserstein,relativistic", f"optimizer.lr={RATES}")
STEPS = ("experiment=ring_fast", "trainer.max_steps=1", "metric=none", "logger=none")


def main() -> None:
    """Measure the costs and print them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        composer, began = Composer(), time.monotonic()
        plan = plan_sweep(composer, [*JOBS, "seed=range(0,20)", f"hydra.sweep.dir={folder}/recorded"])
        print(f"check of {len(plan.jobs)} jobs: {time.monotonic() - began:.1f} s")
        plan.save()
        for job in plan.jobs:
            run = Run.begin(plan.folder / job.directory, composer.compose(job.overrides), job.overrides)
            run.record(status="finished", step=job.plain["trainer"]["max_steps"], objective=1.0)
        began = time.monotonic()
        statuses = job_statuses(plan.folder, plan.jobs, composer)
        assert all(status.kind is Kind.FINISHED for status in statuses)
        print(f"status of {len(statuses)} recorded jobs: {time.monotonic() - began:.1f} s")
        real = plan_sweep(composer, [*STEPS, "seed=range(0,40)", f"hydra.sweep.dir={folder}/real"])
        launch_jobs(composer, real, real.jobs[:10])
        early = resident_megabytes()
        launch_jobs(composer, real, real.jobs[10:])
        print(f"memory of the sweep: {early:.0f} MB after 10 jobs, {resident_megabytes():.0f} MB after {len(real.jobs)}")


def resident_megabytes() -> float:
    """Return the resident memory of this process in MB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


if __name__ == "__main__":
    main()
