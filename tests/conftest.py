"""Marks that skip themselves, the commands as a person types them, a disk of a size."""

import copy
import functools
import gc
import io
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
import yaml

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the suite behind its back lets it ignore ^C
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup a closed terminal
LONG = ("test_slurm.py", "test_ranks.py", "test_kill.py", "test_cluster.py", "test_wheel.py", "test_sweep.py", "test_search.py",
        "test_hostile.py", "test_commands.py", "test_experiments.py", "test_exit_codes.py", "test_evaluate.py")  # fmt: skip


load_yaml = yaml.load


@functools.cache
def parse_yaml(text):
    from omegaconf._utils import get_yaml_loader

    return load_yaml(io.StringIO(text), get_yaml_loader())


def load_once(stream, Loader):  # noqa: N803 - as PyYAML names it
    """Parse each text that OmegaConf loads once: each of a thousand commands composes the same thirty files."""
    if Loader.__name__ != "OmegaConfLoader" or not isinstance(stream, io.TextIOBase):
        return load_yaml(stream, Loader)
    start = stream.tell()
    text = stream.read()
    try:
        return copy.deepcopy(parse_yaml(text))
    except yaml.YAMLError:  # its message gives the name of the file
        stream.seek(start)
        return load_yaml(stream, Loader)


yaml.load = load_once


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")
    parser.addoption("--kills", type=int, default=3, help="how often tests/training/test_kill.py kills")


def pytest_collection_modifyitems(config, items):
    """The longest files come first, so that no process is left alone with one of them."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


def pytest_unconfigure():
    gc.unfreeze()  # or nanobind takes what is frozen by `command` for leaks


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def another_persons_package():
    """Each test that needs one writes its own `mylab`."""
    yield
    sys.modules.pop("mylab", None)


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """Run a console script in this process, in a folder of its own: command("gan-train", "seed=1") -> Done."""
    from hydra.core.global_hydra import GlobalHydra

    from gan_lightning.cli import evaluate, export, replay, report, sample, search, train
    from gan_lightning.run.stored_config import print_once

    mains = {"gan-train": train.main, "gan-sample": sample.main, "gan-export": export.main}
    mains |= {"gan-evaluate": evaluate.main, "gan-replay": replay.main, "gan-search": search.main, "gan-report": report.main}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # a command sets it for its processes; here it ends with the test

    def call(name: str, *line: str) -> Done:
        GlobalHydra.instance().clear()
        print_once.cache_clear()  # each command is a process
        monkeypatch.setattr(sys, "argv", [name, *map(str, line)])
        capfd.readouterr()
        code = 0
        try:
            mains[name]()
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        finally:
            gc.collect()
            gc.freeze()  # what is left are modules, for the most part: the next collection need not visit them
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    return call


@pytest.fixture
def promised(pytestconfig):
    """`with promised(10):` prints how many seconds a block took; only `--slow` holds it to the figure."""

    @contextmanager
    def timed(seconds):
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        print(f"{took:.1f} of {seconds} s")
        assert took <= seconds or not pytestconfig.getoption("--slow")

    return timed


@pytest.fixture
def mounted(tmp_path):
    """Mount a filesystem of a size: mounted("600k"); mounted("8m", "ro") changes it."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    there = []

    def mount(size, mode="rw"):
        line = ["mount", "-t", "tmpfs", "-o", f"size={size},{mode}{',remount' if there else ''}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("needs mount")
        if done.returncode:
            pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
        there.append(folder)
        return folder

    yield mount
    if there:
        subprocess.run(["umount", "-l", str(folder)], check=True)
