"""Fashion-MNIST, KMNIST and EMNIST: torchvision's own readers are the reference; stacked MNIST is made of MNIST's digits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from idx_files import LETTERS, idx, write
from torchvision import datasets

from gan_lightning.data.base import DataError
from gan_lightning.data.emnist import EMNIST, SIZES
from gan_lightning.data.fashion_mnist import FashionMNIST
from gan_lightning.data.kmnist import KMNIST
from gan_lightning.data.mnist import FILES, MNIST
from gan_lightning.data.stacked_mnist import StackedMNIST

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.parametrize(
    ("kind", "reference", "folder"),
    [(FashionMNIST, datasets.FashionMNIST, "FashionMNIST"), (KMNIST, datasets.KMNIST, "KMNIST")],
    ids=["fashion_mnist", "kmnist"],
)
def test_torchvision_reads_the_same_images(tmp_path, kind, reference, folder):
    write(tmp_path, folder)
    theirs = reference(str(tmp_path), train=False)
    ours = kind(root=str(tmp_path), sample_shape=(1, 28, 28), num_classes=10).splits.test
    np.testing.assert_array_equal(ours.samples[:, 0], theirs.data.numpy())
    assert ours.labels.tolist() == theirs.targets.tolist()
    with pytest.raises(DataError, match=r"not found in .*MNIST/raw.* to fetch MNIST"):
        MNIST(root=str(tmp_path), sample_shape=(1, 28, 28), num_classes=10).count()


def test_emnist_is_turned_upright_and_its_letters_count_from_0(tmp_path):
    raw = write(tmp_path, "EMNIST", LETTERS, first=1, classes=26)
    theirs = datasets.EMNIST(str(tmp_path), split="letters", train=True)  # leaves the images transposed, labels from 1
    data = EMNIST(root=str(tmp_path), part="letters", sample_shape=(1, 28, 28), num_classes=26)
    ours = data.splits.train
    assert len(ours) == 44
    np.testing.assert_array_equal(ours.part(0, 44).real[:, 0].add(1).mul(127.5).round(), theirs.data[:44].transpose(1, 2))
    assert ours.labels.tolist() == (theirs.targets[:44] - 1).tolist()
    (raw / LETTERS[3]).write_bytes(idx(np.zeros(12, np.uint8)))
    with pytest.raises(DataError, match=r"letters-test-labels.* holds the label 0, EMNIST letters's are 1 to 26"):
        EMNIST(root=str(tmp_path), part="letters", sample_shape=(1, 28, 28), num_classes=26).load()


@pytest.mark.parametrize("part", SIZES)
def test_the_parts_have_torchvisions_classes(tmp_path, part):
    published = EMNIST(root=str(tmp_path), part=part, sample_shape=(1, 28, 28), num_classes=0).published
    assert len([name for name in datasets.EMNIST.classes_split_dict[part] if name != "N/A"]) == published.num_classes
    assert published.files[0] == f"emnist-{part}-train-images-idx3-ubyte"


def test_a_download_asks_torchvision_for_the_part(tmp_path, monkeypatch):
    asked = []

    def download(root, **given):
        asked.append(given)
        write(tmp_path / "elsewhere", "EMNIST", LETTERS, first=1, classes=26)
        for path in (tmp_path / "elsewhere" / "EMNIST" / "raw").iterdir():
            path.rename(tmp_path / "EMNIST" / "raw" / path.name)

    monkeypatch.setattr(datasets, "EMNIST", download)
    data = EMNIST(root=str(tmp_path), part="letters", download=True, sample_shape=(1, 28, 28), num_classes=26)
    assert data.count() == (114_400, 10_400, 20_800)
    assert len(data.splits.test) == 12
    assert asked == [{"split": "letters", "download": True}]


def test_another_number_of_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.num_classes: EMNIST balanced has 47 classes, not 10; 0 hides them"):
        EMNIST(root=str(tmp_path), sample_shape=(1, 28, 28), num_classes=10).count()


def stacked(root, shape=(3, 28, 28), classes=0):
    return StackedMNIST(root=str(root), sample_shape=shape, num_classes=classes)


def test_a_stack_has_three_digits_of_its_split(tmp_path):
    write(tmp_path, "MNIST", packed=True)
    single = MNIST(root=str(tmp_path), sample_shape=(1, 28, 28), num_classes=0).splits
    for split, digits in zip(stacked(tmp_path).splits, single, strict=True):
        known = {tuple(digit.flatten().tolist()) for digit in digits.part(0, 48).real}
        drawn = split.part(0, 100).real
        assert (drawn.shape, drawn.dtype) == ((100, 3, 28, 28), torch.float32)
        found = [tuple(channel.flatten().tolist()) for sample in drawn for channel in sample]
        assert set(found) == known  # all of them, and no other
    train = stacked(tmp_path).splits.train
    assert torch.equal(train.batch(0, 3, 8).real, train.batch(0, 3, 8).real)
    assert not torch.equal(train.batch(0, 3, 8).real, train.batch(0, 4, 8).real)
    assert stacked(tmp_path).fingerprint() == MNIST(root=str(tmp_path), sample_shape=(1, 28, 28), num_classes=0).fingerprint()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shape": (1, 28, 28)}, r"data\.sample_shape: \[1, 28, 28\] is no shape of stacked MNIST"),
        ({"classes": 10}, r"data\.num_classes: stacked digits are unlabelled, 0, not 10"),
        ({}, r"data\.root: .* not found in "),
    ],
    ids=["grey", "labels", "no files"],
)
def test_stacks_that_do_not_exist_are_refused(tmp_path, given, said):
    with pytest.raises(DataError, match=said):
        stacked(tmp_path, **given).count()


FIRST = {MNIST: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], FashionMNIST: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]}


@pytest.mark.parametrize("kind", FIRST)
def test_files_of_another_set_in_the_root_itself_are_not_read(tmp_path, kind):
    """The names of the files are the same; the first labels are those that were published."""
    root = write(tmp_path, "elsewhere", packed=kind is MNIST)
    (root / FILES[1]).write_bytes(idx(np.array((FIRST[kind] * 5)[:48], np.uint8)))
    for asked in (MNIST, FashionMNIST, KMNIST):
        data = asked(root=str(root), sample_shape=(1, 28, 28), num_classes=10)
        if asked is kind:
            assert data.count().train == 44
            continue
        with pytest.raises(DataError, match=rf"not found in {data.raw}, .* in {root} itself are another set's; set data\.down"):
            data.count()
        assert asked(root=str(root), download=True, sample_shape=(1, 28, 28), num_classes=10).count().train == 55_000


def test_unknown_labels_of_a_whole_published_set_are_neither_mnist_nor_fashion_mnist(tmp_path):
    root = write(tmp_path, "elsewhere")
    for count, found in ((48, [True, True, True]), (60_000, [False, False, True])):
        (root / FILES[1]).write_bytes(idx(np.full(count, 8, np.uint8)))
        kinds = (MNIST, FashionMNIST, KMNIST)
        assert [kind(root=str(root), sample_shape=(1, 28, 28), num_classes=10).raw == root for kind in kinds] == found


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_debians_files_are_fashion_mnist_alone():
    given = {"root": str(FASHION), "sample_shape": (1, 28, 28), "num_classes": 10}
    assert FashionMNIST(**given).count() == (55_000, 5_000, 10_000)
    with pytest.raises(DataError, match="another set's"):
        MNIST(**given).count()
