"""A job that SLURM takes away comes back once, in the same run directory; several tasks are one run: on a real SLURM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import ddp_worker
import held
import pytest
from slurm import needed, said, sandbox
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from waiting import HANG, until

STEPS = 12
MYLAB = f'''
import time
{held.CLASS}

class Slow(Augmentation):
    """A tenth of a second a step: for more than a minute, which SLURM counts time in."""

    def update(self, real_logits):
        time.sleep(0.1)
'''
JOB = """#!/bin/bash
cd {folder}
export OMP_NUM_THREADS=1 GAN_LIGHTNING_PACKAGES=mylab PYTHONPATH={path}
exec {by} {python} -m gan_lightning.cli.train experiment=digits_fast model.width=4 data.batch_size=16 trainer.accelerator=cpu \\
  augmentation={kind} metric=none trainer.max_steps={steps} checkpoint.every_n_steps=50 callback.scalars.every_n_steps=1 \\
  hydra.run.dir=run --config-dir conf
"""

pytestmark = needed


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with sandbox(tmp_path_factory.mktemp("slurm"), 1):
        yield


@pytest.fixture
def two_nodes(tmp_path_factory):
    with sandbox(tmp_path_factory.mktemp("slurm"), 2):
        yield


class Job:
    """A batch job and what SLURM says of it."""

    def __init__(self, folder, script, *switches):
        (folder / "job.sh").write_text(script)
        self.id = re.search(
            r"\d+", said("sbatch", f"--output={folder}/out.txt", "--open-mode=append", *switches, str(folder / "job.sh"))
        )[0]

    def __getitem__(self, key):
        return re.search(rf"\b{key}=(\S+)", said("scontrol", "show", "job", self.id))[1]

    def until(self, condition):
        def met():
            if condition():
                return True
            if self["JobState"] == "PENDING" and self["Restarts"] != "0":  # SLURM lets a queued job wait for two minutes
                time.sleep(2)  # until the node has put away what the job left
                subprocess.run(
                    ["scontrol", "update", f"JobId={self.id}", "StartTime=now"], capture_output=True, timeout=HANG, check=False
                )
            time.sleep(0.2)
            return False

        until(met, why=lambda: said("scontrol", "show", "job", self.id))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mylab.py").write_text(MYLAB)
    (tmp_path / "conf" / "augmentation").mkdir(parents=True)
    (tmp_path / "conf" / "augmentation" / "slow.yaml").write_text("_target_: mylab.Slow\n")
    (tmp_path / "conf" / "augmentation" / "held.yaml").write_text(held.node(tmp_path / "held"))
    return tmp_path


def script(folder, by="", steps=STEPS, kind="held"):
    path = os.pathsep.join([str(folder), *sys.path])
    return JOB.format(folder=folder, path=path, python=sys.executable, steps=steps, by=by, kind=kind)


def job(folder, *switches, **given):
    return Job(folder, script(folder, **given), "--requeue", *switches)


def under_way(folder):
    return (folder / "held").exists


def whole_story(folder, job, reason, steps=STEPS, restarts=(1,)):
    """It was queued again once, went on where it was saved, and every step stands in TensorBoard once."""
    job.until(lambda: job["JobState"] == "COMPLETED")
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


@pytest.mark.slow
@pytest.mark.parametrize("by", ["", "srun"])
def test_a_job_of_a_partition_that_goes_before(slurm, folder, by):
    """A step of srun's is told at once; a batch script at the end of the grace, when SLURM itself has queued it again."""
    going = job(folder, by=by)
    going.until(under_way(folder))
    other = Job(folder, "#!/bin/bash\nsleep 1\n", "--partition=high")
    other.until(lambda: other["JobState"] == "COMPLETED")
    whole_story(folder, going, "SIGTERM")


@pytest.mark.slow
def test_the_end_of_its_time(slurm, folder):
    """SLURM counts time in minutes: a first minute is too short; two or three are enough, or more on a busy machine."""
    going = job(folder, "--time=1", "--signal=B:USR2@20", steps=350, kind="slow")
    whole_story(folder, going, "SIGUSR2", steps=350, restarts=range(1, 10))


def test_a_cancelled_job_stays_away(slurm, folder):
    going = job(folder)
    going.until(under_way(folder))
    said("scancel", going.id)
    going.until(lambda: going["JobState"] == "CANCELLED")
    going.until(lambda: json.loads((folder / "run" / "result.json").read_text())["status"] == "preempted")
    assert going["Restarts"] == "0"
    assert "is queued again" not in (folder / "out.txt").read_text()


# ── several tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────
SMALL = "model.width=4 data.batch_size=16 trainer.accelerator=cpu checkpoint.every_n_steps=5 metric=none augmentation=held"


def step(folder, *command):
    """An srun, its words, and this package where it looks."""
    around = {
        "OMP_NUM_THREADS": "1",
        "GAN_LIGHTNING_PACKAGES": "mylab",
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
    }
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | around,
        stdout=(folder / "out.txt").open("w"),
        stderr=(folder / "errors.txt").open("w"),
        start_new_session=True,
    )


def documented(*more):
    """The srun of docs/processes.md, in two tasks."""
    words = ddp_worker.written("srun")
    at = words.index("gan-train")
    line = [*words[at + 1 :], *SMALL.split(), *more, "--config-dir", "conf"]
    return [words[0], "--nodes=2", "--ntasks=2", *words[1:at], sys.executable, "-m", "gan_lightning.cli.train", *line]


def ranks():
    """Rank → pid, of those that train here."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line, around = (path / "cmdline").read_bytes(), (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"gan_lightning.cli.train" in line and line.startswith(sys.executable.encode()):
            found |= {int(word[13:]): int(path.name) for word in around if word.startswith(b"SLURM_PROCID=")}
    return found


def test_a_step_of_two_tasks_is_one_run(two_nodes, folder):
    going = step(folder, *documented("trainer.max_steps=5"))
    assert going.wait(HANG) == 0, (folder / "errors.txt").read_text()[-2000:]
    run = folder / "runs" / "two_nodes"
    result = json.loads((run / "result.json").read_text())
    assert (result["status"], result["step"], result["processes"]) == ("finished", 5, 2)
    assert list((folder / "runs").iterdir()) == [run]
    assert (folder / "out.txt").read_text().count("status ") == 1
    assert len(list(run.glob("events.out.tfevents.*.0.????????"))) == 1


@pytest.mark.slow
def test_a_killed_task_takes_the_other_with_it(two_nodes, folder, promised):
    going = step(folder, *documented("trainer.max_steps=8"))
    until(under_way(folder), going, lambda: (folder / "errors.txt").read_text()[-2000:])
    pids = ranks()
    assert pids.keys() == {0, 1}
    with promised(10):
        os.kill(pids[1], signal.SIGKILL)
        assert going.wait(HANG) != 0
    assert not ranks()


@pytest.mark.slow
def test_one_task_of_two_trains_alone(two_nodes, folder):
    """In a step whose other task does something else, and in a batch script, which runs once whatever the job's tasks."""
    words = [sys.executable, "-m", "gan_lightning.cli.train", *SMALL.split(), "trainer.max_steps=5", "hydra.run.dir=alone"]
    alone = f'[ "$SLURM_PROCID" = 1 ] || exec {" ".join(words)} --config-dir conf'
    going = step(folder, "srun", "--nodes=2", "--ntasks=2", "bash", "-c", alone)
    assert going.wait(HANG) == 0, (folder / "errors.txt").read_text()[-2000:]
    assert json.loads((folder / "alone" / "result.json").read_text())["status"] == "finished"
    batch = Job(folder, script(folder, steps=5), "--nodes=2", "--ntasks=2")
    batch.until(lambda: batch["JobState"] == "COMPLETED")
    assert json.loads((folder / "run" / "result.json").read_text())["processes"] == 1
