"""One run, one owner: who comes second is told by whom, and a dead owner is in nobody's way."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import lock_workers
import pytest
from waiting import HANG

from gan_lightning.config.compose import Composer
from gan_lightning.config.errors import UserError
from gan_lightning.run import lock
from gan_lightning.run.directory import Run
from gan_lightning.storage.atomic import is_alive

ELSEWHERE = {"host": "node7", "pid": 1234, "boot": "another", "job": "", "restarts": 0}


def process(*words, **given):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[1:3]))}
    line = [sys.executable, lock_workers.__file__, words[0], json.dumps(words[1:])]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, **given)


@contextmanager
def started(*words):
    """A process that has said its pid."""
    with process(*words) as child:
        try:
            yield int(child.stdout.readline())
        finally:
            child.kill()


def said(child):
    out, _ = child.communicate(timeout=HANG)
    assert child.returncode == 0
    return json.loads(out)


@pytest.fixture
def run(tmp_path):
    return Run.begin(tmp_path / "run", Composer().compose([]), [])


def refusal(run) -> str:
    with pytest.raises(UserError) as refused, run.locked():
        pass
    (line,) = refused.value.lines
    assert refused.value.code == 2
    return line


def test_who_comes_second_is_told_by_whom_and_a_dead_owner_is_taken_over(run, command, capfd):
    with started("hold", str(run.path)) as pid:
        expected = f"host {socket.gethostname()}, pid {pid} is training here"
        assert refusal(run) == f"run={run.path}: {expected}"
        before = sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*"))
        done = command("gan-train", "run=run")
        assert (done.code, done.err) == (2, f"run=run: {expected}\n")
        assert sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*")) == before
        os.kill(pid, signal.SIGKILL)
    assert (run.path / ".lock.owner").exists()
    capfd.readouterr()
    with run.locked():
        assert lock.read_owner(run.path).pid == os.getpid()
    assert not (run.path / ".lock.owner").exists()
    assert capfd.readouterr() == ("", "")


def test_an_owner_that_ended_leaves_no_record_even_if_it_failed(run):
    with pytest.raises(ZeroDivisionError), run.locked():
        1 / 0  # noqa: B018
    assert not (run.path / ".lock.owner").exists()


def test_a_dead_owner_s_children_hold_nothing(run):
    """A loader's worker outlives a killed run for some seconds."""
    with process("orphan", str(run.path)) as parent:
        pid, child = map(int, parent.stdout.readline().split())
        assert f"pid {pid} is training here" in refusal(run)
        parent.kill()
        parent.wait()
        try:
            with run.locked():
                assert is_alive(child)
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_filesystem_without_locks(run, number, monkeypatch):
    import fcntl

    monkeypatch.setattr(fcntl, "flock", fcntl.flock)
    lock_workers.without_locks(number)
    with started("hold", str(run.path), number) as pid:
        assert refusal(run) == f"run={run.path}: host {socket.gethostname()}, pid {pid} is training here"
        os.kill(pid, signal.SIGKILL)
    for _ in range(2):
        with run.locked():
            assert lock.read_owner(run.path).pid == os.getpid()


@pytest.mark.parametrize(
    ("other", "slurm", "theirs"),
    [
        ({}, {}, True),
        ({"host": socket.gethostname()}, {}, False),  # started again since
        ({"boot": lock.boot_id()}, {}, not lock.boot_id()),  # another container on this machine: its kernel's lock tells
        ({"job": "7"}, {"JOB_ID": "7", "RESTART_COUNT": "1"}, False),  # requeued: it has ended
        ({"job": "7"}, {"JOB_ID": "7"}, True),  # another task of the same job
        ({"job": "7"}, {"JOB_ID": "8", "RESTART_COUNT": "1"}, True),
    ],
)
def test_an_owner_on_another_machine_is_named(run, monkeypatch, other, slurm, theirs):
    for name in ("JOB_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    record = run.path / ".lock.owner"
    record.write_text(json.dumps(ELSEWHERE | other))
    if theirs:
        cure = f"if that machine is gone: rm {run.path}/.lock*"
        assert refusal(run) == f"run={run.path}: host node7, pid 1234 is training here; {cure}"
        assert json.loads(record.read_text()) == ELSEWHERE | other
        for path in run.path.glob(".lock*"):
            path.unlink()
    with run.locked():
        assert lock.read_owner(run.path).host == socket.gethostname()


def test_a_damaged_record_is_in_nobody_s_way(run):
    for text in ("", "{", "[]", '{"host": "x"}'):
        (run.path / ".lock.owner").write_text(text)
        with run.locked():
            pass


def test_of_many_that_start_at_once_one_wins(tmp_path):
    folders = [str(tmp_path / str(i)) for i in range(5)]
    for folder in folders:
        Path(folder).mkdir()
    rounds = said(process("race", folders, 6, True))
    for answers in rounds:
        assert len(answers) == 6
        assert answers.count(True) == 1
        assert all(answer is True or "is training here" in answer for answer in answers)
    (control,) = said(process("race", folders[:1], 6, False))  # the negative control: no lock
    assert control.count(True) == 6


def test_twenty_starts_in_a_second_get_twenty_directories(tmp_path):
    """The clock stands still."""
    clocked = "hydra.run.dir=clocked/${now:%Y-%m-%d_%H-%M-%S}"  # the negative control: a clock alone
    answers, control = said(process("start", 20, [], [clocked], cwd=tmp_path))
    assert len({Path(folder).name.rpartition("_")[0] for folder in answers}) == 1
    assert len(set(answers)) == len(list((tmp_path / "runs" / "digits").iterdir())) == 20
    assert all((tmp_path / folder / "config.yaml").is_file() for folder in answers)
    assert len({answer for answer in control if answer.startswith("clocked/")}) == 1


def test_two_that_begin_the_same_run_make_it_once(tmp_path):
    """The second does not begin its record anew, nor while the first is at it."""
    config = Composer().compose([])
    (tmp_path / "run").mkdir()
    with lock.locked(tmp_path / "run"), pytest.raises(UserError, match=f"pid {os.getpid()} is training here"):
        Run.begin(tmp_path / "run", config, ["b"])
    first = Run.begin(tmp_path / "run", config, ["a"])
    first.record(step=7)
    assert Run.begin(tmp_path / "run", config, ["b"]).result == first.result
    assert (first.result["step"], first.result["overrides"]) == (7, ["a"])
