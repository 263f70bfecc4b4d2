"""What is recorded of a run whose process ended without doing so, and what is left alone because another process trains it."""

import json
import signal

import pytest

from gan_lightning.config.compose import Composer
from gan_lightning.distributed.stopping import Preempted
from gan_lightning.run import lock, unrecorded_end
from gan_lightning.run.directory import Run
from gan_lightning.sweep.job import train_run
from gan_lightning.sweep.launcher import ClusterState, record_cluster_state
from gan_lightning.sweep.plan import Job, Plan

CONFIG = ["experiment=ring_fast", "trainer.max_steps=1", "metric=none", "logger=none"]
NODE = {"host": "node7", "pid": 1234, "boot": "another", "job": "7_0", "restarts": 0}  # an owner on another machine


@pytest.fixture(scope="module")
def composed():
    return Composer().compose(CONFIG)


@pytest.fixture
def run(tmp_path, composed):
    return Run.begin(tmp_path / "run", composed, CONFIG)


def report(run, ended):
    record_cluster_state(Plan(run.path.parent, [], [], []), Job([], "run", {}), ended)


def ended(run):
    return run.result["status"], run.result["reason"]


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (-9, "failed", "killed by SIGKILL"),
        (0, "failed", "ended without a recorded reason"),
        (None, "failed", "ended without a recorded reason"),
        (1, "failed", "ended without a recorded reason"),
        (129, "preempted", "SIGHUP"),
        (143, "preempted", "SIGTERM"),
        (255, "failed", "ended without a recorded reason"),
    ],
)
def test_an_exit_code_is_recorded_unless_the_run_recorded_more(run, code, status, reason):
    unrecorded_end.record_exit_code(run, code)
    assert ended(run) == (status, reason)
    assert not (run.path / ".lock.owner").exists()
    run.record(status="finished", reason=None)
    unrecorded_end.record_exit_code(run, code)
    assert ended(run) == ("finished", None)


def test_a_signal_before_training_is_recorded(run):
    with pytest.raises(Preempted), unrecorded_end.preemption_recorded(run):
        raise Preempted(signal.SIGXCPU)
    assert ended(run) == ("preempted", "SIGXCPU")


WRITERS = {
    "exit code": lambda run: unrecorded_end.record_exit_code(run, -9),
    "cluster": lambda run: report(run, ClusterState("", "FINISHED")),
    "cluster, of its own": lambda run: report(run, ClusterState("7_1", "FAILED")),
    "refused job": lambda run: train_run(run.path),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("status", ["running", "preempted"])
def test_a_run_that_another_process_trains_is_left_alone(run, writer, status):
    """As when two `gan-train -m` of one sweep begin together: the second's jobs are refused."""
    run.record(status=status, reason="SIGUSR1")
    with lock.locked(run.path):
        before = {path.name: path.read_bytes() for path in run.path.iterdir()}
        WRITERS[writer](run)
        assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
        assert ".lock.owner" in before


@pytest.mark.parametrize("job", ["", "7_1", "8"])
def test_an_owner_on_another_machine_is_left_alone(run, job):
    (run.path / ".lock.owner").write_text(json.dumps(NODE))
    report(run, ClusterState(job, "NODE_FAIL"))
    assert ended(run) == ("running", None)
    assert json.loads((run.path / ".lock.owner").read_text()) == NODE


def test_the_lock_of_a_job_that_has_ended_is_void(run):
    """Its machine has failed, so that nobody removed the record."""
    (run.path / ".lock.owner").write_text(json.dumps(NODE))
    report(run, ClusterState("7_0", "NODE_FAIL"))
    assert ended(run) == ("failed", "ended without a recorded reason; the cluster reports NODE_FAIL")
    assert not (run.path / ".lock.owner").exists()
    run.record(status="preempted", reason="SIGUSR1")
    report(run, ClusterState("7_0", "CANCELLED"))
    assert ended(run) == ("preempted", "SIGUSR1; the cluster reports CANCELLED")


def test_an_owner_in_an_array_is_named_as_submitit_names_its_job(monkeypatch):
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert lock.Owner.current().job == "7_0"


def test_a_disk_that_holds_no_lock_ends_nothing(run, monkeypatch, capsys):
    monkeypatch.setattr(lock, "write_text", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    unrecorded_end.record_exit_code(run, -9)
    assert ended(run) == ("running", None)
    assert capsys.readouterr().err == f"{run.path / 'result.json'}: not written: No space left on device\n"
