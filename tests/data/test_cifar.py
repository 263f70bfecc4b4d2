"""CIFAR-10 and CIFAR-100 from files in their own format, written here: what is read, and what is refused in one line."""

import hashlib
import io
import pickle
import tarfile
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from gan_lightning.data import cifar
from gan_lightning.data.base import DataError
from gan_lightning.data.cifar import CIFAR10, CIFAR100

TRAIN, TEST = 8, 6  # images of each train file, and of the test file
LAYOUT = CIFAR10.layout


def records(count, start=0, label_bytes=1, classes=10):
    """Image i has red = start + i in its first row, green = 100 in its last column, blue = 200 at (5, 9); label i."""
    images = np.zeros((count, 3, 32, 32), dtype=np.uint8)
    images[:, 0, 0] = np.arange(start, start + count)[:, None]
    images[:, 1, :, -1] = 100
    images[:, 2, 5, 9] = 200
    labels = np.zeros((count, label_bytes), dtype=np.uint8)
    labels[:, -1] = np.arange(start, start + count) % classes
    return np.concatenate([labels, images.reshape(count, -1)], 1).tobytes()


def write(root):
    folder = root / LAYOUT.folder
    folder.mkdir(parents=True)
    for i, name in enumerate(LAYOUT.train):
        (folder / name).write_bytes(records(TRAIN, start=TRAIN * i))
    (folder / LAYOUT.test).write_bytes(records(TEST, start=100))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """The archive alone, with a MD5 that is taken for the published one."""
    write(tmp_path / "elsewhere")
    path = tmp_path / LAYOUT.archive
    with tarfile.open(path, "w:gz") as opened:
        opened.add(tmp_path / "elsewhere" / LAYOUT.folder, LAYOUT.folder)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "layout", LAYOUT._replace(md5=digest, published=(5 * TRAIN, TEST)))
    return path


def data(root, kind=CIFAR10, **changes):
    return kind(**({"root": str(root), "sample_shape": (3, 32, 32), "num_classes": kind.layout.num_classes} | changes))


def reds(source):
    """The red of each image's first pixel."""
    return ((source.part(0, len(source)).real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_three_splits_in_the_order_of_the_files(tmp_path, folder):
    found = data(tmp_path)
    assert found.count() == (36, 4, 6)
    train, validation, test = found.splits
    assert (reds(train), reds(validation), reds(test)) == (list(range(36)), [36, 37, 38, 39], list(range(100, 106)))
    assert train.labels.tolist() == [i % 10 for i in range(36)]
    assert (validation.labels.tolist(), test.labels.tolist()) == ([6, 7, 8, 9], [0, 1, 2, 3, 4, 5])
    everything = data(tmp_path, validation=0.0)
    assert everything.sizes() == (40, 0, 6)
    assert len(everything.splits.train) == 40


def test_the_published_files_have_45000_images_to_train_on(tmp_path):
    for kind in (CIFAR10, CIFAR100):
        assert data(tmp_path, kind, download=True).count() == (45_000, 5_000, 10_000)


def test_planes_are_red_green_and_blue_row_by_row(tmp_path, folder):
    real = data(tmp_path).splits.test.batch(seed=0, i=0, n=TEST).real
    assert (real.shape, real.dtype) == ((TEST, 3, 32, 32), torch.float32)
    values = (real + 1) * 127.5
    torch.testing.assert_close(values[:, 1, :, 31], torch.full((TEST, 32), 100.0))
    torch.testing.assert_close(values[:, 2, 5, 9], torch.full((TEST,), 200.0))
    assert values[:, 1, :, :31].abs().max() < 1e-3
    assert values[:, 2].sum().item() == pytest.approx(TEST * 200, abs=0.1)


def test_torchvision_reads_the_same_images(tmp_path, folder, monkeypatch):
    """Its reader of the version in pickles, whose planes have the same order, is the reference."""
    theirs = tmp_path / "cifar-10-batches-py"
    theirs.mkdir()
    rows = np.frombuffer((folder / LAYOUT.test).read_bytes(), np.uint8).reshape(TEST, -1)
    (theirs / "test_batch").write_bytes(pickle.dumps({"data": rows[:, 1:], "labels": rows[:, 0].tolist()}))
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.CIFAR10, "_load_meta", lambda self: None)
    reference, ours = datasets.CIFAR10(str(tmp_path), train=False), data(tmp_path).splits.test
    np.testing.assert_array_equal(ours.samples.transpose(0, 2, 3, 1), reference.data)
    assert ours.labels.tolist() == reference.targets


@pytest.mark.parametrize("side", [16, 64])
def test_other_sizes_are_resized(tmp_path, folder, side):
    samples = data(tmp_path, sample_shape=(3, side, side)).splits.test.samples
    assert (samples.shape, samples.dtype) == ((TEST, 3, side, side), np.uint8)
    small = data(tmp_path).splits.test.samples
    np.testing.assert_allclose(samples.mean((2, 3)), small.mean((2, 3)), atol=0.6)


def test_without_labels(tmp_path, folder):
    assert [source.labels for source in data(tmp_path, num_classes=0).splits] == [None] * 3


def test_cifar100_has_the_second_label(tmp_path):
    folder = tmp_path / CIFAR100.layout.folder
    folder.mkdir()
    (folder / "train.bin").write_bytes(records(20, label_bytes=2, classes=100))
    (folder / "test.bin").write_bytes(records(5, 95, label_bytes=2, classes=100))
    train, validation, test = data(tmp_path, CIFAR100).splits
    assert (reds(train), reds(validation)) == (list(range(18)), [18, 19])
    assert test.labels.tolist() == [95, 96, 97, 98, 99]


def test_the_archive_is_unpacked_where_files_are_missing(tmp_path, archive):
    found = data(tmp_path)
    assert found.count() == (36, 4, 6)
    assert not (tmp_path / LAYOUT.folder).exists()  # counting writes nothing
    assert reds(found.splits.train) == list(range(36))
    archive.unlink()
    assert reds(data(tmp_path).splits.test) == list(range(100, 106))


def test_a_fingerprint_sees_another_byte(tmp_path, folder):
    before = data(tmp_path).fingerprint()
    content = bytearray((folder / LAYOUT.test).read_bytes())
    content[500] ^= 1
    (folder / LAYOUT.test).write_bytes(content)
    assert before.differences(before) == []
    assert before.differences(data(tmp_path).fingerprint()) == [f"1 file with another size or content: {LAYOUT.test}"]


def test_missing_files_name_the_folder_and_the_cure(tmp_path, folder):
    (folder / "data_batch_3.bin").unlink()
    for read in (data(tmp_path).count, data(tmp_path).fingerprint):
        with pytest.raises(DataError) as error:
            read()
        assert str(error.value) == (
            f"data.root: data_batch_3.bin not found in {folder}, and no cifar-10-binary.tar.gz; "
            "set data.download=true to fetch CIFAR-10, or put its binary files there"
        )


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32), (3, 32, 64), (4, 32, 32)])
def test_shapes_that_cifar_does_not_have(tmp_path, folder, shape):
    with pytest.raises(
        DataError, match=r"^data\.sample_shape: .* is no size of CIFAR-10, .*\[3,32,32\] or any other \[3,S,S\]"
    ):
        data(tmp_path, sample_shape=shape).count()


def test_numbers_of_classes_that_cifar_does_not_have(tmp_path, folder):
    with pytest.raises(DataError, match=r"^data\.num_classes: CIFAR-10 has 10 classes, not 100; 0 hides them"):
        data(tmp_path, num_classes=100).count()
    with pytest.raises(DataError, match=r"^data\.num_classes: CIFAR-100 has 100 classes, not 20; 0 hides them"):
        data(tmp_path, CIFAR100, num_classes=20).count()


FULL = records(TRAIN)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "data_batch_2.bin holds 0 bytes, CIFAR-10's files a multiple of 3,073; replace the file"),
        (FULL[:-1], "data_batch_2.bin holds 24,583 bytes, CIFAR-10's files a multiple of 3,073; replace the file"),
        (b"<html><body>404</body></html>", "data_batch_2.bin holds 29 bytes"),
        (FULL[:-3073], "hold 8, 7, 8, 8, 8 images; replace the shorter ones"),
        (records(TRAIN, classes=11, start=4), "data_batch_2.bin holds the label 10, CIFAR-10's are 0 to 9; replace the file"),
    ],
    ids=["empty", "cut", "a web page", "cut after a record", "label 10"],
)
def test_odd_files_are_named(tmp_path, folder, content, said):
    (folder / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(DataError) as error:
        data(tmp_path).load()
    (line,) = error.value.lines
    assert said in line


def test_a_file_that_is_far_too_long_is_refused_by_its_size(tmp_path, folder):
    with (folder / LAYOUT.test).open("wb") as file:
        file.truncate(3073 * 50_001)  # a sparse file
    with pytest.raises(DataError, match=r"test_batch\.bin holds 50,001 images, more than 50,000; replace the file"):
        data(tmp_path).count()


def test_another_archive_is_refused(tmp_path, archive, monkeypatch):
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is not the published archive \(its MD5 is another\)"):
        data(tmp_path).load()
    assert not list((tmp_path / LAYOUT.folder).iterdir())


@pytest.mark.parametrize("content", [b"no archive", b""], ids=["text", "without the files"])
def test_an_archive_that_can_not_be_read_is_one_line(tmp_path, archive, monkeypatch, content):
    """Even one with the published MD5."""
    if not content:
        with tarfile.open(archive, "w:gz") as opened:
            opened.addfile(tarfile.TarInfo("other"), io.BytesIO())
        content = archive.read_bytes()
    archive.write_bytes(content)
    monkeypatch.setattr(CIFAR10, "layout", CIFAR10.layout._replace(md5=hashlib.md5(content).hexdigest()))
    with pytest.raises(DataError) as error:
        data(tmp_path).load()
    (line,) = error.value.lines
    assert line.startswith(f"data.root: {archive} can't be read (")


def test_the_archive_is_downloaded_with_its_checksum(tmp_path, archive, monkeypatch):
    content = archive.read_bytes()
    archive.unlink()

    def download(address, root, name, md5):
        assert (address, md5) == (f"https://www.cs.toronto.edu/~kriz/{name}", CIFAR10.layout.md5)
        (tmp_path / name).write_bytes(content)

    monkeypatch.setattr(cifar.utils, "download_url", download)
    assert reds(data(tmp_path, download=True).splits.validation) == [36, 37, 38, 39]


@pytest.mark.parametrize(
    "failure", [RuntimeError("File not found or corrupted."), URLError("no route to host"), TimeoutError("late")], ids=repr
)
def test_no_network_is_one_line(tmp_path, monkeypatch, failure):
    def download(*_):
        raise failure

    monkeypatch.setattr(cifar.utils, "download_url", download)
    with pytest.raises(
        DataError, match=r"^data\.download: CIFAR-10 could not be fetched \(.+\); check the network, or put"
    ) as error:
        data(tmp_path, download=True).load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("layout", "md5"),
    [(CIFAR10.layout, "c32a1d4ab5d03f1284b67883e8d87530"), (CIFAR100.layout, "03b5dce01913d631647c71ecec9e9cb8")],
)
def test_the_checksums_are_those_of_the_page_of_the_sets(layout, md5):
    assert layout.md5 == md5
