"""MNIST from files in its own format, written here: what is read, what is refused, and what happens without a network."""

import gzip
import struct
import threading
import time
from urllib.error import URLError

import numpy as np
import pytest
import torch

from gan_lightning.data import idx as idx_format
from gan_lightning.data import mnist
from gan_lightning.data.base import DataError
from gan_lightning.data.mnist import FILES, MNIST

TRAIN, TEST = 24, 6
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES


def idx(values):
    """An array in the format of the four files."""
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def digits(count, start=0):
    """Image i has rows of value start + i above and below a black field with one white pixel at (5, 9)."""
    images = np.zeros((count, 28, 28), dtype=np.uint8)
    images[:, [0, -1]] = np.arange(start, start + count)[:, None, None]
    images[:, 5, 9] = 255
    return images


def write(root, train=TRAIN, test=TEST, packed=False):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    contents = [
        digits(train),
        (np.arange(train) % 10).astype(np.uint8),
        digits(test, start=100),
        (np.arange(test) % 10).astype(np.uint8),
    ]
    for name, values in zip(FILES, contents, strict=True):
        if packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
        else:
            (raw / name).write_bytes(idx(values))
    return raw


@pytest.fixture
def raw(tmp_path):
    return write(tmp_path)


def data(root, **changes):
    return MNIST(**({"root": str(root), "sample_shape": (1, 28, 28), "num_classes": 10} | changes))


def frames(source):
    """The value of each image's first pixel."""
    return ((source.part(0, len(source)).real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_three_splits(tmp_path, raw):
    found = data(tmp_path)
    assert found.count().train == 22
    train, validation, test = found.splits
    assert frames(train) == list(range(22))
    assert frames(validation) == [22, 23]  # the last twelfth of the train file
    assert frames(test) == list(range(100, 106))
    assert train.labels.tolist() == [i % 10 for i in range(22)]
    assert validation.labels.tolist() == [2, 3]
    assert test.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_of_the_published_files_55000_are_trained_on():
    assert mnist.cut(60_000) == (55_000, 5_000)


def test_28_is_as_published(tmp_path, raw):
    batch = data(tmp_path).splits.test.batch(seed=0, i=0, n=6)
    assert batch.real.shape == (6, 1, 28, 28)
    assert batch.real.dtype == torch.float32
    assert batch.real[:, 0, 5, 9].tolist() == [1.0] * 6
    assert batch.real[:, 0, 1:27, 1:27].sum().item() == pytest.approx(6 * (2 - 26 * 26))  # one white pixel, all else -1
    assert (batch.real[:, 0, 27, 3] * 127.5 + 127.5).round().long().sub(100).tolist() == batch.condition.tolist()


def test_32_has_a_border_of_two_black_pixels(tmp_path, raw):
    small, large = (data(tmp_path, sample_shape=(1, side, side)).splits.test.samples for side in (28, 32))
    assert large.dtype == np.uint8
    np.testing.assert_array_equal(large[:, :, 2:30, 2:30], small)
    assert large.sum() == small.sum()


@pytest.mark.parametrize("side", [14, 56])
def test_other_sizes_are_resized_with_antialias(tmp_path, raw, side):
    path = raw / TEST_IMAGES
    y, x = np.mgrid[:28, :28]
    ramp = np.broadcast_to(4 * x + 3 * y, (TEST, 28, 28)).astype(np.uint8)
    checks = np.broadcast_to((x + y) % 2 * 255, (TEST, 28, 28)).astype(np.uint8)
    path.write_bytes(idx(ramp))
    found = data(tmp_path, sample_shape=(1, side, side)).splits.test.samples
    assert found.shape == (TEST, 1, side, side)
    at = (np.arange(2, side - 2) + 0.5) * 28 / side - 0.5  # a bilinear filter keeps what is linear
    np.testing.assert_allclose(found[3, 0, 2:-2, 2:-2], 4 * at + 3 * at[:, None], atol=0.51)
    if side < 28:
        path.write_bytes(idx(checks))
        found = data(tmp_path, sample_shape=(1, side, side)).splits.test.samples[0, 0, 1:-1, 1:-1]
        assert np.abs(found.astype(int) - 127.5).max() <= 1  # fine checks become grey, not noise


def test_without_labels(tmp_path, raw):
    assert data(tmp_path, num_classes=0).splits.train.labels is None


def test_packed_files_are_read_and_nothing_is_written(tmp_path):
    raw = write(tmp_path, packed=True)
    before = sorted(raw.iterdir())
    found = data(tmp_path)
    assert found.count().train == 22
    assert frames(found.splits.train) == list(range(22))
    assert frames(found.splits.test) == list(range(100, 106))
    assert sorted(raw.iterdir()) == before


def test_the_root_itself_may_hold_the_files(tmp_path):
    write(tmp_path, packed=True).rename(tmp_path / "direct")
    assert frames(data(tmp_path / "direct").splits.train) == list(range(22))
    write(tmp_path / "direct", train=12)  # torchvision's folder has priority
    assert data(tmp_path / "direct").count().train == 11


def test_packed_or_not_the_fingerprint_is_the_same(tmp_path):
    write(tmp_path / "a", packed=True)
    write(tmp_path / "b")
    assert data(tmp_path / "a").fingerprint() == data(tmp_path / "b").fingerprint()


def test_counting_reads_the_header_alone(tmp_path, raw):
    (raw / TRAIN_IMAGES).write_bytes(struct.pack(">4I", 0x803, 60_000, 28, 28))
    (raw / TRAIN_LABELS).write_bytes(b"nonsense")
    assert data(tmp_path).count().train == 55_000


def test_missing_files_name_the_folder_and_the_cure(tmp_path):
    with pytest.raises(DataError) as error:
        data(tmp_path).count()
    assert str(error.value) == (
        f"data.root: {', '.join(FILES)} not found in {tmp_path}/MNIST/raw, packed (.gz) or not; "
        "set data.download=true to fetch MNIST, or put its four files there"
    )


def test_a_fingerprint_fetches_nothing_without_download(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist.datasets, "MNIST", None)
    with pytest.raises(DataError, match=r"set data\.download=true to fetch MNIST"):
        data(tmp_path).fingerprint()
    assert not list(tmp_path.iterdir())


def test_one_missing_file_is_named(tmp_path, raw):
    (raw / TEST_LABELS).unlink()
    with pytest.raises(DataError, match=rf"^data\.root: {TEST_LABELS} not found in "):
        data(tmp_path).load()


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 28), (28, 28), (1, 28, 32), ()])
def test_shapes_that_mnist_does_not_have(tmp_path, raw, shape):
    with pytest.raises(DataError, match=r"^data\.sample_shape: .*\[1,28,28\], \[1,32,32\] or any other \[1,S,S\]"):
        data(tmp_path, sample_shape=shape).count()


def test_a_number_of_classes_that_mnist_does_not_have(tmp_path, raw):
    with pytest.raises(DataError, match=r"^data\.num_classes: MNIST has 10 classes, not 5; 0 hides them"):
        data(tmp_path, num_classes=5).count()


def test_an_odd_header_is_told_when_counting(tmp_path, raw):
    (raw / TRAIN_IMAGES).write_bytes(b"<html><body>404</body></html>")
    with pytest.raises(
        DataError, match=rf"{TRAIN_IMAGES} is no IDX file of images: it starts with 3c68746d, not with 00000803"
    ):
        data(tmp_path).count()


LABELS = (np.arange(TRAIN) % 10).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (TRAIN_IMAGES, b"", "starts with nothing"),
        (TRAIN_IMAGES, idx(digits(TRAIN))[:10], "is no IDX file of images"),
        (TRAIN_IMAGES, idx(digits(TRAIN))[:-1], "holds 18,815 bytes, its header promises 18,816"),
        (TRAIN_IMAGES, idx(np.zeros((TRAIN, 32, 32), np.uint8)), "holds images of 32 by 32"),
        (TRAIN_IMAGES, idx(np.zeros((0, 28, 28), np.uint8)), "holds nothing"),
        (TRAIN_LABELS, idx(digits(TRAIN)), "is no IDX file of labels: it starts with 00000803, not with 00000801"),
        (TRAIN_LABELS, idx(LABELS)[:-2], "holds 22 bytes, its header promises 24"),
        (TRAIN_LABELS, idx(LABELS + 1), "holds the label 10, MNIST's are 0 to 9"),
        (TRAIN_LABELS, idx(LABELS[:23]), "holds 24 images and .*train-labels-idx1-ubyte 23 labels"),
        (TEST_LABELS, idx(LABELS), "holds 6 images and .*t10k-labels-idx1-ubyte 24 labels"),
    ],
    ids=["empty", "cut in the header", "cut", "another size", "none", "images as labels", "cut labels", "10", "fewer", "more"],
)
def test_odd_files_are_named(tmp_path, raw, name, content, said):
    (raw / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        data(tmp_path).load()
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(idx(LABELS))[:20]], ids=["no gzip", "cut"])
def test_a_packed_file_that_is_broken_is_named_and_leaves_nothing(tmp_path, content):
    raw = write(tmp_path, packed=True)
    (raw / f"{TRAIN_LABELS}.gz").write_bytes(content)
    with pytest.raises(DataError, match=rf"{TRAIN_LABELS}\.gz can't be read"):
        data(tmp_path).load()
    assert not (raw / TRAIN_LABELS).exists()


def test_download_is_not_asked_for_what_is_there(tmp_path, raw, monkeypatch):
    monkeypatch.setattr(mnist.datasets, "MNIST", None)
    assert data(tmp_path, download=True).count().train == 22
    assert len(data(tmp_path, download=True).splits.train) == 22


def test_eight_jobs_that_download_at_once_download_once(tmp_path, monkeypatch):
    downloads = []

    def download(root, download):
        assert download
        downloads.append(root)
        time.sleep(0.05)
        write(tmp_path / "elsewhere", packed=True)
        for path in (tmp_path / "elsewhere").glob("**/*.gz"):
            path.rename(tmp_path / "root" / "MNIST" / "raw" / path.name)

    monkeypatch.setattr(mnist.datasets, "MNIST", download)
    assert data(tmp_path / "root", download=True).count().train == 55_000
    assert downloads == []
    start, results = threading.Barrier(8), []

    def job():
        start.wait()
        results.append(frames(data(tmp_path / "root", download=True).splits.train))

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(22))] * 8
    assert downloads == [str(tmp_path / "root")]


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("Error downloading x.gz:\nTried https://mirror, got:\n<urlopen error no route to host>\n"),
        URLError("no route to host"),
        TimeoutError("no route to host"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_no_network_is_one_sentence(tmp_path, monkeypatch, failure):
    def download(root, download):
        raise failure

    monkeypatch.setattr(mnist.datasets, "MNIST", download)
    with pytest.raises(
        DataError, match=r"^data\.download: MNIST could not be fetched \(.*no route to host.*\); check the network"
    ) as error:
        data(tmp_path, download=True).load()
    assert "\n" not in str(error.value)
    assert f"put its four files into {tmp_path}/MNIST/raw" in str(error.value)


def test_a_download_that_leaves_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist.datasets, "MNIST", lambda root, download: None)
    with pytest.raises(DataError, match=rf"^data\.download: torchvision left no {TRAIN_IMAGES}, "):
        data(tmp_path, download=True).load()


def test_torchvision_reads_the_same_files(tmp_path, raw):
    """Its own reader is the reference."""
    theirs = mnist.datasets.MNIST(str(tmp_path), train=False)
    ours = data(tmp_path).splits.test
    np.testing.assert_array_equal(ours.samples[:, 0], theirs.data.numpy())
    assert ours.labels.tolist() == theirs.targets.tolist()


@pytest.mark.parametrize("promised", [24, 2**20, 2**32 - 1])
def test_a_small_file_that_unpacks_to_much_is_one_line(tmp_path, raw, monkeypatch, promised):
    """Packed, and unpacked no further than its header promises, up to a limit."""
    monkeypatch.setattr(idx_format, "MAX_ITEMS", 1000)
    (raw / TRAIN_IMAGES).unlink()
    header = struct.pack(">4I", 0x803, promised, 28, 28)
    (raw / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(header + bytes(50 * 784)))
    with pytest.raises(DataError) as error:
        data(tmp_path).load()
    (line,) = error.value.lines
    assert ("holds more than 18,816 bytes" if promised == 24 else "more than the 1,000 that are read") in line
    assert not (raw / TRAIN_IMAGES).exists()
