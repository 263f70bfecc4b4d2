"""Several processes train one GAN: they resume exactly, end together, and say which of them failed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from games import equal

LINE = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "checkpoint.every=5",
    "callback.scores.every=10",
    "metric=class_accuracy",
    "metric.class_accuracy.num_samples=200",
)
MYLAB = '''
import os, time
from gan_lightning.augmentation.base import Augmentation


class Slow(Augmentation):
    """Gives a test the time to interfere."""

    def forward(self, x):
        time.sleep(0.02)
        return x


class Raising(Augmentation):
    """A mistake that only one rank makes, and not at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def observe(self, real_logits):
        self.seen += 1
        if os.environ["RANK"] == "1" and self.seen == 4:
            raise ArithmeticError("a mistake of rank 1")
'''


def result(run):
    return json.loads((run / "result.json").read_text())


def state(run, step):
    return torch.load(run / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


class Together:
    """A `gan-train` of two processes in a folder of its own."""

    def __init__(self, folder, *line):
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = (
            os.environ | threads | {"GAN_LIGHTNING_PACKAGES": "mylab", "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
        )
        (folder / "mylab.py").write_text(MYLAB)
        (folder / "conf" / "augmentation").mkdir(parents=True, exist_ok=True)
        for name in ("Slow", "Raising"):
            (folder / "conf" / "augmentation" / f"{name.lower()}.yaml").write_text(f"_target_: mylab.{name}\n")
        words = [
            sys.executable,
            "-m",
            "gan_lightning.train",
            *line,
            *([] if line[0].startswith("run=") else ["--config-dir", "conf"]),
        ]
        self.folder, self.errors = folder, folder / "errors.txt"
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=self.errors.open("w"), text=True
        )

    def ranks(self):
        """Rank → pid."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            found |= {int(word[5:]): int(pid) for word in environment if word.startswith(b"RANK=")}
        return found

    def until(self, path):
        """Wait until a file is there."""
        deadline = time.monotonic() + 120
        while not (self.folder / path).exists():
            assert self.process.poll() is None, self.errors.read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def end(self, within=120):
        """(exit code, what it said, what it complained of)."""
        out, _ = self.process.communicate(timeout=within)
        return self.process.returncode, out, self.errors.read_text()


def gone(pids):
    return not any(
        Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" for pid in pids
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    code, _, errors = Together(folder, *LINE, "trainer.max_steps=20", "hydra.run.dir=run").end()
    assert code == 0, errors[-2000:]
    return folder / "run"


def test_two_processes_that_were_killed_go_on_bit_for_bit(whole, tmp_path):
    going = Together(tmp_path, *LINE, "trainer.max_steps=20", "hydra.run.dir=run").until("run/checkpoints/step=00000010.ckpt")
    pids = [*going.ranks().values(), going.process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert going.end()[0] == -9
    assert max(int(p.stem[5:]) for p in (tmp_path / "run" / "checkpoints").glob("*.ckpt")) < 20
    code, out, errors = Together(tmp_path, "run=run").end()
    assert code == 0, errors[-2000:]
    assert "going on from step 1" in out
    one, other = state(tmp_path / "run", 20), state(whole, 20)
    assert all(equal(one[part], other[part]) for part in ("state_dict", "optimizer_states", "global_step", "callbacks"))
    assert result(tmp_path / "run")["metrics"] == result(whole)["metrics"]


def test_on_another_number_of_processes_the_same_samples(whole, tmp_path, command):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for path in (*whole.glob("*.*"), whole / "checkpoints" / "step=00000010.ckpt"):
        (tmp_path / "run" / path.relative_to(whole)).write_bytes(path.read_bytes())
    record = result(whole) | {"status": "running", "step": 0}
    (tmp_path / "run" / "result.json").write_text(json.dumps(record))
    done = command("gan-train", "run=run", "trainer.devices=1")
    assert done.code == 0, done.err
    assert "1 processes in place of 2: the same samples in each step" in done.out
    assert "not bit for bit" in done.out
    assert "data.batch_size: 16 → 32" in done.out
    one, other = state(tmp_path / "run", 20), state(whole, 20)
    assert one["global_step"] == other["global_step"]


def test_a_killed_rank_takes_the_others_with_it(tmp_path):
    going = Together(tmp_path, *LINE, "augmentation=slow", "trainer.max_steps=400", "hydra.run.dir=run")
    pids = going.until("run/checkpoints/step=00000005.ckpt").ranks()
    os.kill(pids[1], signal.SIGKILL)
    began = time.monotonic()
    code, _, errors = going.end(within=10)
    assert time.monotonic() - began < 10
    assert gone(pids.values())
    assert code == 1
    assert errors.splitlines()[-1] == "run=run: rank 1 was killed by SIGKILL"
    assert (result(tmp_path / "run")["status"], result(tmp_path / "run")["reason"]) == (
        "failed",
        "rank 1 was killed by SIGKILL",
    )


def test_a_rank_that_hangs_is_named_within_the_timeout(tmp_path):
    going = Together(
        tmp_path, *LINE, "augmentation=slow", "trainer.max_steps=400", "trainer.strategy.timeout=4", "hydra.run.dir=run"
    )
    pids = going.until("run/checkpoints/step=00000005.ckpt").ranks()
    os.kill(pids[1], signal.SIGSTOP)
    code, _, errors = going.end(within=4 + 5 + 10)
    assert gone(pids.values())
    assert (code, errors.splitlines()[-1]) == (1, "run=run: rank 1 answered no more; the others gave it up")


@pytest.mark.slow
def test_a_rank_that_raises_is_named_with_its_error(tmp_path):
    going = Together(tmp_path, *LINE, "augmentation=raising", "trainer.max_steps=400", "hydra.run.dir=run")
    code, _, errors = going.end(within=60)
    assert code == 1
    assert errors.splitlines()[-1] == "run=run: rank 1: ArithmeticError: a mistake of rank 1"
    assert result(tmp_path / "run")["status"] == "failed"


@pytest.mark.parametrize("to", [pytest.param("all", marks=pytest.mark.slow), "rank 1"])
def test_a_signal_ends_all_ranks_at_one_step(tmp_path, to):
    going = Together(tmp_path, *LINE, "augmentation=slow", "trainer.max_steps=400", "hydra.run.dir=run")
    pids = going.until("run/checkpoints/step=00000005.ckpt").ranks()
    os.kill(going.process.pid if to == "all" else pids[1], signal.SIGTERM)
    code, _, errors = going.end(within=30)
    assert code == 143, errors[-2000:]
    found = result(tmp_path / "run")
    assert (found["status"], found["reason"]) == ("preempted", "SIGTERM")
    assert max(int(p.stem[5:]) for p in (tmp_path / "run" / "checkpoints").glob("*.ckpt")) == found["step"]
