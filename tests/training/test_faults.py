"""What surrounds a run fails: its output, its terminal, its environment. It trains to its end, or saves its state first."""

import json
import os
import shutil
import signal

import fork_server
import pytest
from kinds import kinds

STEPS = 12
TINY = ("experiment=ring_fast", "trainer.max_steps=3", "data.batch_size=16", "metric=none")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of three steps."""
    folder = tmp_path_factory.mktemp("begun")
    log = folder / "log.txt"
    assert fork_server.train(*TINY, "hydra.run.dir=run", folder=folder, log=log)[0] == 0, log.read_text()[-2000:]
    return folder / "run"


@pytest.fixture
def go_on(begun, tmp_path):
    """Train a copy of the run to STEPS: go_on("hang_up", 5) -> exit code, status, reason, step."""

    def call(*sabotage, folder=tmp_path):
        run = folder / "run"
        if not run.exists():
            shutil.copytree(begun, run)
        line = ("run=run", f"trainer.max_steps={STEPS}")
        code, _ = fork_server.train(*line, folder=folder, log=tmp_path / "log.txt", sabotage=sabotage)
        found = json.loads((run / "result.json").read_text())
        return code, found["status"], found["reason"], found["step"]

    return call


LOST = ("ascii", "no reader", "unbuffered", "full disk", "closed", "terminal gone", "slow reader")


@pytest.mark.parametrize("kind", kinds(LOST, "no reader", "full disk", "closed"))
def test_output_that_is_lost_ends_no_training(go_on, kind):
    assert go_on("lose_output", kind) == (0, "finished", None, STEPS)


def test_a_closed_terminal_saves_first(go_on, tmp_path):
    """The terminal is gone, and SIGHUP comes twice: from the kernel, and from the shell."""
    assert go_on("hang_up", 5) == (128 + signal.SIGHUP, "preempted", "SIGHUP", 5)
    assert (tmp_path / "run" / "checkpoints" / "step=00000005.ckpt").exists()
    assert not (tmp_path / "run" / ".lock.owner").exists()


def test_what_nohup_ignores_stays_ignored(go_on):
    assert go_on("ignore", signal.SIGHUP, 5) == (0, "finished", None, STEPS)


@pytest.mark.parametrize("name", kinds(("QUIT", "ABRT", "ALRM", "VTALRM", "PROF", "XCPU", "IO", "PWR"), "QUIT", "XCPU"))
def test_every_signal_that_would_end_a_process_saves_first(go_on, name):
    number = getattr(signal, f"SIG{name}")
    assert go_on("interrupt", number, 5, "generator") == (128 + number, "preempted", f"SIG{name}", 5)


@pytest.mark.parametrize("name", kinds(("RANK", "LOCAL_RANK", "SLURM_PROCID"), "SLURM_PROCID"))
def test_a_rank_that_a_shell_left_behind_is_none(go_on, name):
    """Before, nothing was logged on a rank that is not the first, and a callback failed at the first step."""
    assert go_on("set_variables", {name: "1"}) == (0, "finished", None, STEPS)


def test_a_folder_that_is_not_utf_8(go_on, tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(folder)  # noqa: PTH102
    assert go_on(folder=type(tmp_path)(folder)) == (0, "finished", None, STEPS)
