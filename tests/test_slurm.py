"""A job that SLURM takes away comes back once, in the same run directory, and loses no step: on a real SLURM of one node."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SANDBOX = Path(__file__).parent.parent / "scripts" / "slurm_sandbox.sh"
STEPS = 120
MYLAB = '''
import time
from gan_lightning.augmentation.base import Augmentation


class Slow(Augmentation):
    """Gives a cluster the time to interfere."""

    def forward(self, x):
        time.sleep(0.02)
        return x
'''
JOB = """#!/bin/bash
cd {folder}
export OMP_NUM_THREADS=1 GAN_LIGHTNING_PACKAGES=mylab PYTHONPATH={path}
exec {by} {python} -m gan_lightning.train experiment=digits_fast model.width=4 data.batch_size=16 trainer.accelerator=cpu \\
  augmentation=slow metric=none trainer.max_steps={steps} checkpoint.every=50 callback.scalars.every=1 \\
  hydra.run.dir=run --config-dir conf
"""

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))) or os.getuid() != 0,
        reason="needs Debian's slurm-wlm and munge, and root",
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_SANDBOX_PORT", str(20000 + os.getpid() % 20000))
        up = subprocess.run([SANDBOX, "up", folder], capture_output=True, text=True, timeout=60, check=False)
        if up.returncode or "idle" not in up.stderr:
            subprocess.run([SANDBOX, "down", folder], timeout=20, check=False)
            pytest.skip(f"SLURM does not start here: {up.stderr[-300:]}")
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield
        subprocess.run([SANDBOX, "down", folder], timeout=20, check=False)


def said(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout


class Job:
    """A batch job and what SLURM says of it."""

    def __init__(self, folder, script, *switches):
        (folder / "job.sh").write_text(script)
        self.id = re.search(
            r"\d+", said("sbatch", f"--output={folder}/out.txt", "--open-mode=append", *switches, str(folder / "job.sh"))
        )[0]

    def __getitem__(self, key):
        return re.search(rf"\b{key}=(\S+)", said("scontrol", "show", "job", self.id))[1]

    def until(self, condition, within=90):
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, said("scontrol", "show", "job", self.id)
            if self["JobState"] == "PENDING" and self["Restarts"] != "0":  # SLURM lets a queued job wait for two minutes
                subprocess.run(
                    ["scontrol", "update", f"JobId={self.id}", "StartTime=now"], capture_output=True, timeout=20, check=False
                )
            time.sleep(0.2)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mylab.py").write_text(MYLAB)
    (tmp_path / "conf" / "augmentation").mkdir(parents=True)
    (tmp_path / "conf" / "augmentation" / "slow.yaml").write_text("_target_: mylab.Slow\n")
    return tmp_path


def job(folder, *switches, by="", steps=STEPS):
    path = os.pathsep.join([str(folder), *sys.path])
    return Job(folder, JOB.format(folder=folder, path=path, python=sys.executable, steps=steps, by=by), "--requeue", *switches)


def under_way(folder):
    return lambda: list(folder.glob("run/checkpoints/*.ckpt"))


def whole_story(folder, job, reason, steps=STEPS, restarts=(1,)):
    """It was queued again once, went on where it was saved, and every step stands in TensorBoard once."""
    job.until(lambda: job["JobState"] == "COMPLETED", within=400)
    again = int(job["Restarts"])
    assert again in restarts
    result = json.loads((folder / "run" / "result.json").read_text())
    assert (result["status"], result["step"]) == ("finished", steps)
    told = (folder / "out.txt").read_text()
    saved = re.findall(rf"status +preempted at step (\d+) \({reason}\)", told)
    assert len(saved) == again
    assert re.findall(r"going on from step (\d+)", told) == saved
    assert told.count(f"job {job.id} is queued again") <= again
    events = EventAccumulator(str(folder / "run"), size_guidance={"scalars": 0})
    events.Reload()
    assert [e.step for e in events.Scalars("loss/g")] == list(range(1, steps + 1))


def test_a_warning_signal(slurm, folder):
    going = job(folder)
    going.until(under_way(folder))
    said("scancel", "--signal=USR1", "--batch", going.id)
    whole_story(folder, going, "SIGUSR1")


@pytest.mark.parametrize("by", [pytest.param("", marks=pytest.mark.slow), "srun"])
def test_a_job_of_a_partition_that_goes_before(slurm, folder, by):
    """A step of srun's is told at once; a batch script at the end of the grace, when SLURM itself has queued it again."""
    going = job(folder, by=by, steps=250)
    going.until(under_way(folder))
    other = Job(folder, "#!/bin/bash\nsleep 1\n", "--partition=high")
    other.until(lambda: other["JobState"] == "COMPLETED")
    whole_story(folder, going, "SIGTERM", steps=250)


@pytest.mark.slow
def test_the_end_of_its_time(slurm, folder):
    """SLURM counts time in minutes: a first minute is too short, a second one, or a third, is enough."""
    going = job(folder, "--time=1", "--signal=B:USR2@20", steps=500)
    whole_story(folder, going, "SIGUSR2", steps=500, restarts=range(1, 5))


def test_a_cancelled_job_stays_away(slurm, folder):
    going = job(folder)
    going.until(under_way(folder))
    said("scancel", going.id)
    going.until(lambda: going["JobState"] == "CANCELLED")
    going.until(lambda: json.loads((folder / "run" / "result.json").read_text())["status"] == "preempted")
    assert going["Restarts"] == "0"
    assert "is queued again" not in (folder / "out.txt").read_text()
