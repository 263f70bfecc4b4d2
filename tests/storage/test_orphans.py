"""What a killed process leaves half-written is gone after the next start of the command that writes there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from waiting import HANG

from gan_lightning.data.decoded_cache import DecodedCache, Listing
from gan_lightning.storage import atomic
from gan_lightning.sweep.report.plan_file import PlanFile, write_plan_file

DIES = """
import os, signal, sys
from pathlib import Path
from gan_lightning.storage import atomic
files = [atomic.open_atomic(Path(name), lambda: 0) for name in sys.argv[1:]]
for file in files:
    file.__enter__().write(b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder in which one process was killed while it wrote all these files: it begins each before it dies."""
    folder = tmp_path_factory.mktemp("killed")
    names = ["sweep.json", "report.html", "report.csv", "best.yaml", "0.safetensors", "grid.png", "000001.png"]
    line = [sys.executable, "-c", DIES, *(str(folder / name) for name in names)]
    environment = os.environ | {"PYTHONPATH": str(Path(atomic.__file__).parents[2])}
    done = subprocess.run(line, timeout=HANG, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def copied(killed, tmp_path):
    """The temporary files of the dead process, and one of a living one."""
    for path in killed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    living = tmp_path / f".report.md.{os.getppid()}@{atomic.socket.gethostname()}.tmp"
    living.touch()
    assert len(list(tmp_path.glob(".*.tmp"))) == 8
    return living


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_plan_file(folder, PlanFile(line=[], jobs=[])),
        lambda folder: atomic.write_text(folder / "report.html", "x"),
        lambda folder: atomic.write_bytes(folder / "0.safetensors", b"x"),
    ],
)
def test_the_next_file_removes_what_a_killed_process_left(killed, tmp_path, write):
    living = copied(killed, tmp_path)
    write(tmp_path)
    assert list(tmp_path.glob(".*.tmp")) == [living]


def test_the_next_samples_remove_what_a_killed_process_left(killed, tmp_path):
    """They are not flushed, so the folder is listed once and not for each of them."""
    import torch

    from gan_lightning.cli.sample import write_samples
    from gan_lightning.data.digits import Digits

    living = copied(killed, tmp_path)
    write_samples(Digits(sample_shape=(1, 8, 8), num_classes=10), torch.zeros(2, 1, 8, 8), 1, tmp_path, folder=True)
    assert list(tmp_path.glob(".*.tmp")) == [living]


def test_partial_arrays_of_other_folders_of_images(tmp_path):
    """The folder of images has changed since, so that its name in the cache is another; a living process keeps its own."""
    from PIL import Image

    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    cache = DecodedCache(tmp_path / "cache", tmp_path / "images", Listing([Path("a.png")], None, []), (3, 4, 4), 0)
    left, used = (cache.folder.with_name(f"{letter * 64}.partial") for letter in "ab")
    for folder in (left, used):
        folder.mkdir(parents=True)
        (folder / "samples.npy").touch()
    with FileLock(used.with_suffix(".lock")):
        assert cache.load().shape == (1, 3, 4, 4)
    assert (left.exists(), used.exists()) == (False, True)
