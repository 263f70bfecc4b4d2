"""What a sweep of a thousand jobs costs beside the training: seconds of its check and of a repeat's decision, memory.

python scripts/thousand_jobs.py [FOLDER]

1000 jobs (5 losses × 10 learning rates × 20 seeds of `digits_fast`) are planned as `gan-train -m` would; recorded as finished,
and decided on again; then 40 real ones of a single step run one after the other, and this process's memory is read after each.
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
    """Measure and print."""
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
        told = job_statuses(plan.folder, plan.jobs, composer)
        assert all(one.kind is Kind.FINISHED for one in told)
        print(f"decision on {len(told)} recorded jobs: {time.monotonic() - began:.1f} s")
        real = plan_sweep(composer, [*STEPS, "seed=range(0,40)", f"hydra.sweep.dir={folder}/real"])
        launch_jobs(composer, real, real.jobs[:10])
        early = resident()
        launch_jobs(composer, real, real.jobs[10:])
        print(f"memory of the sweep: {early:.0f} MB after 10 jobs, {resident():.0f} MB after {len(real.jobs)}")


def resident() -> float:
    """Megabytes of this process in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
