"""Processes that load data: they start as in a single run, open a memory map instead of copying it, and name what failed."""

import json
import multiprocessing
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lightning.data.store import MappedFile, Store

MEBIBYTE = 2**20
SIZE = 256  # mebibytes of a memory map; the file is sparse, so it takes no time to make
MYLAB = '''
import os
from pathlib import Path
import numpy as np
from torch.utils.data import Dataset


class Opened(Dataset):
    """Read images from an open file through a lambda, neither of which can be pickled; write down each process's memory."""

    def __init__(self, folder: str) -> None:
        self.file, self.folder = (Path(folder) / "images").open("rb"), Path(folder)
        self.images = np.memmap(self.file, np.uint8, mode="r").reshape(-1, 1, 8, 8)
        self.transform = lambda x: x.copy()

    def __len__(self):
        return 256

    def __getitem__(self, i):
        (self.folder / f"process {os.getpid()}").write_text(Path("/proc/self/smaps_rollup").read_text())
        return self.transform(self.images[i])
'''
TINY = (
    "experiment=digits_fast",
    "data=dataset",
    "data.sample_shape=[1,8,8]",
    "data.num_classes=0",
    "data.num_workers=2",
    "data.batch_size=8",
    "model.width=4",
    "metric=none",
    "logger=none",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
)


def private_mebibytes(rollup):
    """Return the memory that a process shares with no other, from its smaps_rollup."""
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private")) / 1024


@pytest.fixture
def line(tmp_path, monkeypatch):
    """Make a user's data set that can't be pickled, and return the command line that trains on it."""
    (tmp_path / "mylab.py").write_text(MYLAB)
    with (tmp_path / "images").open("wb") as file:
        file.truncate(SIZE * MEBIBYTE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    return [*TINY, f"data.dataset={{_target_: mylab.Opened, folder: '{tmp_path}'}}"]


@pytest.mark.skipif(multiprocessing.get_all_start_methods()[0] != "fork", reason="processes are not forked here")
def test_the_workers_of_a_job_start_as_in_a_single_run(command, line, tmp_path):
    done = command("gan-train", "-m", *line, "hydra.sweep.dir=all")
    assert "1 of 1 finished" in done.out, done.err
    found = [private_mebibytes(path.read_text()) for path in tmp_path.glob("process *")]
    assert len(found) >= 3, "the job and its two workers"
    assert max(found) < SIZE / 2, "the map is not copied"


def test_data_that_cannot_be_sent_are_the_reason(command, line, tmp_path, monkeypatch):
    """Where processes are not forked; Lightning's teardown raises another exception after the first one."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        done = command("gan-train", *line, "hydra.run.dir=run")
    finally:
        multiprocessing.set_start_method(before, force=True)
    reason = (
        "data.num_workers: the data can't be sent to 2 worker processes (TypeError: cannot pickle '_io.BufferedReader' object)"
    )
    assert (done.code, done.err.splitlines()[-1]) == (2, f"{reason}; set data.num_workers=0")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["reason"] == f"{reason}; set data.num_workers=0"


def mapped(path, shape, order="C", offset=0):
    """Map a file of random bytes, written here."""
    size = int(np.prod(shape))
    path.write_bytes(bytes(offset) + np.random.default_rng(0).bytes(size))
    return np.memmap(path, np.uint8, mode="r", offset=offset, shape=shape, order=order)


@pytest.mark.parametrize(("order", "offset"), [("C", 0), ("C", 7), ("F", 4096)])
def test_a_pickled_store_opens_its_file(tmp_path, order, offset):
    samples = mapped(tmp_path / "samples", (50, 1, 8, 8), order, offset)
    store = Store(samples, labels=np.arange(50), index=np.arange(0, 50, 2))
    data = pickle.dumps(store)
    again = pickle.loads(data)
    assert len(data) < samples.nbytes
    assert isinstance(again.samples, np.memmap)
    assert torch.equal(again.part(0, 25).real, store.part(0, 25).real)
    assert torch.equal(again.part(0, 25).condition, store.part(0, 25).condition)


def test_np_load_and_parts_of_a_map(tmp_path):
    np.save(tmp_path / "samples.npy", np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), dtype=np.uint8))
    samples = np.load(tmp_path / "samples.npy", mmap_mode="r")
    assert isinstance(pickle.loads(pickle.dumps(Store(samples))).samples, np.memmap)
    for part in (samples[10:], samples[::2], np.load(tmp_path / "samples.npy", mmap_mode="c"), np.array(samples)):
        assert MappedFile.of(part) is None
        again = pickle.loads(pickle.dumps(Store(part)))
        assert torch.equal(again.part(0, 50).real, Store(part).part(0, 50).real)


def grown(data, queue):
    """Put how many mebibytes of its own a process has after it has unpickled `data` and read from it."""
    rollup = Path("/proc/self/smaps_rollup")
    before = private_mebibytes(rollup.read_text())
    found = pickle.loads(data)
    if isinstance(found, Store):
        found.part(0, 8)
    queue.put(private_mebibytes(rollup.read_text()) - before)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_a_process_that_receives_a_map_does_not_copy_it(tmp_path):
    with (tmp_path / "samples").open("wb") as file:
        file.truncate(64 * MEBIBYTE)
    samples = np.memmap(tmp_path / "samples", np.uint8, mode="r", shape=(MEBIBYTE, 1, 8, 8))
    context = multiprocessing.get_context("fork")

    def memory_of(sent):
        queue = context.SimpleQueue()
        child = context.Process(target=grown, args=(pickle.dumps(sent), queue))
        child.start()
        child.join()
        return queue.get()

    assert memory_of(Store(samples)) < 32, "8 MiB of index, and what one batch takes"
    assert memory_of(samples) >= 64, "the negative control: a pickled map is a copy"
