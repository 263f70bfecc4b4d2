"""A cache of decoded images that was altered is never used: by its checksum, or by its size and time if it is large."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_lightning.data import cache_record
from gan_lightning.data.image_folder import ImageFolder


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(8):
        Image.new("L", (16, 16), 10 * i).save(tmp_path / "images" / f"{i}.png")
    return tmp_path / "images"


def load(root):
    arguments = {"root": str(root), "cache": str(root.parent / "cache"), "sample_shape": (1, 16, 16), "num_classes": 0}
    return ImageFolder(**arguments, validation=0, test=0).splits.train.samples[:, 0, 0, 0].tolist()


def array(root):
    (path,) = (root.parent / "cache").glob("**/samples.npy")
    return path


def flip_a_bit(path, keep_times):
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("keep_times", [False, True])
def test_one_altered_bit_is_seen(root, decoded, capsys, keep_times):
    expected = load(root)
    flip_a_bit(array(root), keep_times)
    capsys.readouterr()
    assert load(root) == expected
    assert len(decoded) == 16
    assert capsys.readouterr().err.splitlines()[0] == (
        f"data.cache: {array(root)} is not used: its checksum is another than when it was written; decoding the images anew"
    )


def test_a_large_array_is_compared_by_size_and_time(root, decoded, monkeypatch, capsys):
    monkeypatch.setattr(cache_record, "CHECKED_BYTES", 100)
    expected = load(root)
    assert load(root) == expected
    assert len(decoded) == 8
    os.utime(array(root), ns=(0, 1))
    assert load(root) == expected
    assert len(decoded) == 16
    assert "is not used: it was modified after it was written; decoding the images anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "harm", [os.unlink, lambda path: path.write_text("{"), lambda path: path.write_text('{"samples.npy": 3}')]
)
def test_a_record_that_is_none(root, decoded, harm, capsys):
    expected = load(root)
    harm(array(root).with_name("fingerprint.json"))
    assert load(root) == expected
    assert len(decoded) == 16
    assert "is not used: its record is missing or damaged; decoding the images anew" in capsys.readouterr().err


def test_an_array_of_another_size_is_said(root, decoded, capsys):
    load(root)
    os.truncate(array(root), 300)
    load(root)
    assert "is not used: it has 300 bytes instead of 2176; decoding" in capsys.readouterr().err


def test_it_is_compared_once_in_a_process(root, monkeypatch):
    load(root)
    monkeypatch.setattr(cache_record, "checksum", lambda path: pytest.fail("compared again"))
    load(root)


def test_a_copy_of_the_cache_is_used(root, decoded):
    load(root)
    cache = root.parent / "cache"
    shutil.copytree(cache, root.parent / "copy")
    shutil.rmtree(cache)
    (root.parent / "copy").rename(cache)
    load(root)
    assert len(decoded) == 8


LINE = ("experiment=anime_faces", "data.root=images", "data.sample_shape=[3,32,32]", "model.width=4", "trainer.max_steps=1",
        "metric=none", "data.cache=cache", "trainer.accelerator=cpu", "data.batch_size=2")  # fmt: skip


def test_the_command_says_it_and_trains_on_the_right_images(command, root):
    assert command("gan-train", *LINE, "hydra.run.dir=first").code == 0
    before = np.load(array(root))
    flip_a_bit(array(root), keep_times=True)
    done = command("gan-train", *LINE, "hydra.run.dir=second")
    assert done.code == 0, done.err
    assert done.err.count("its checksum is another than when it was written; decoding the images anew") == 1
    assert (np.load(array(root)) == before).all()
