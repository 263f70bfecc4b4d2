"""Signals to the launcher of ranks, also while they start."""

import os
import signal
import subprocess
import sys

import pytest
from waiting import HANG

from gan_lightning.distributed import launcher
from gan_lightning.distributed.stopping import SIGNALS, ending

RANK = """
import os, pathlib, signal, sys, time
folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
rank = os.environ["RANK"]
(folder / rank).write_text(str(os.getpid()))
if rank == "1":
    while not (folder / "0").exists():
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGHUP)
while kind == "prepared" and signal.SIGHUP not in signal.sigpending():
    time.sleep(0.01)
if kind == "prepared":
    sys.exit(129)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
time.sleep(600)
"""


@pytest.fixture
def ranks(tmp_path, monkeypatch):
    (tmp_path / "a_rank.py").write_text(RANK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield tmp_path
    signal.signal(signal.SIGHUP, before)
    ending.clear()


@pytest.mark.parametrize("kind", ["prepared", "without handlers"])
def test_a_signal_reaches_all_ranks_from_their_first_moment_on(ranks, kind):
    """It waits until a rank has its handlers; if a rank has none, it ends all, and none has failed."""
    assert launcher.launch_ranks(["a_rank", str(ranks), kind], 2) == (129, None)
    for rank in range(2):
        with pytest.raises(ProcessLookupError):
            os.kill(int((ranks / str(rank)).read_text()), 0)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(SIGNALS)


def test_a_rank_that_fails_on_a_signal_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "GRACE", 0.2)
    (tmp_path / "1").write_text('{"time": 1.0, "reason": "no disk", "root_cause": true}')
    children = [subprocess.Popen(["sh", "-c", words]) for words in ("exit 129", "exit 74")]
    ending[:] = [signal.SIGHUP]
    try:
        assert launcher.monitor(children, tmp_path) == (74, "rank 1: no disk")
    finally:
        ending.clear()


CHILD = """
import signal, sys
from gan_lightning.distributed.stopping import exit_on_signal
with exit_on_signal():
    try:
        print("ready", flush=True)
        signal.pause()
    finally:
        print("caught", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_before_training(ignored):
    """One that is ignored at the start, as by nohup, stays so; the first of two counts."""
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)} if ignored else {}
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **ignore)
    try:
        assert child.stdout.readline() == "ready\n"
        first, *later = [signal.SIGXCPU, signal.SIGTERM] if ignored else [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM]
        if ignored:
            child.send_signal(signal.SIGHUP)
        child.send_signal(first)
        assert child.stdout.readline() == "caught\n"
        for number in later:
            child.send_signal(number)
        child.communicate(timeout=HANG)
        assert child.returncode == 128 + first
    finally:
        child.kill()


LEAVING = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGUSR2))  # runs last
from gan_lightning.distributed.stopping import exit_on_signal
if sys.argv[1] == "command":
    with exit_on_signal():
        pass
"""


@pytest.mark.parametrize(("kind", "code"), [("command", 0), ("control", -signal.SIGUSR2)])
def test_a_signal_after_the_work_is_done(kind, code):
    """SLURM's warning may come while the interpreter ends: the job has finished, and is not a failed one."""
    assert subprocess.run([sys.executable, "-c", LEAVING, kind], timeout=HANG, check=False).returncode == code
