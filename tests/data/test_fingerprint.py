"""The fingerprint of a data set: what is seen of a change, and that a copy is the same set."""

import gzip
import os
import random
import shutil
import struct
import unicodedata

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset
from torchvision import datasets

from gan_lightning.data import fingerprint as module
from gan_lightning.data.cartoon_faces import CartoonFaces
from gan_lightning.data.dataset import UserDataset
from gan_lightning.data.digits import Digits
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.data.mnist import FILES, MNIST


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), value).save(path, "BMP")  # every file has the same size


@pytest.fixture
def root(tmp_path):
    """Two classes of three images."""
    for label, name in enumerate(("cat", "dog")):
        for i in range(3):
            picture(tmp_path / "images" / name / f"{i}.bmp", 10 * label + i)
    return tmp_path / "images"


def folder(root, num_classes=2):
    return ImageFolder(root=str(root), sample_shape=(1, 2, 2), num_classes=num_classes).fingerprint()


def wrapped(root):
    """The same folder as a data set of torchvision's."""
    return UserDataset(datasets.ImageFolder(str(root)), sample_shape=(3, 2, 2), num_classes=2).fingerprint()


def test_a_set_without_changes_is_the_same(root):
    for read in (folder, wrapped):
        assert read(root).differences(read(root)) == []


def test_a_copy_elsewhere_with_other_times_is_the_same(root, tmp_path):
    before = folder(root), wrapped(root)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / "cat" / "0.bmp", (0, 0))
    assert (folder(tmp_path / "copy"), wrapped(tmp_path / "copy")) == before


def test_a_copy_whose_names_have_another_normal_form_is_the_same(tmp_path):
    for i, form in enumerate(("NFC", "NFD")):
        picture(tmp_path / str(i) / unicodedata.normalize(form, "mèo.bmp"), 1)
    assert folder(tmp_path / "0", 0).differences(folder(tmp_path / "1", 0)) == []


CHANGES = {
    "a class is renamed": (
        lambda root: (root / "cat").rename(root / "zcat"),
        [
            "class 0: cat → dog, class 1: dog → zcat",
            "3 files added: {}zcat/0.bmp, {}zcat/1.bmp, {}zcat/2.bmp",
            "3 files removed: {}cat/0.bmp, {}cat/1.bmp, {}cat/2.bmp",
        ],
    ),
    "one more": (lambda root: picture(root / "cat" / "-1.bmp", 7), ["1 file added: {}cat/-1.bmp"]),
    "five more": (
        lambda root: [picture(root / "cat" / f"m{i}.bmp", 7) for i in range(5)],
        ["5 files added: {}cat/m0.bmp, {}cat/m1.bmp, {}cat/m2.bmp, and 2 more"],
    ),
    "one less": (lambda root: (root / "dog" / "1.bmp").unlink(), ["1 file removed: {}dog/1.bmp"]),
    "another content": (
        lambda root: picture(root / "dog" / "1.bmp", 99),
        ["1 file with another size or content: {}dog/1.bmp"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_seen_of_a_change(root, change):
    before = folder(root), wrapped(root)
    act, lines = CHANGES[change]
    act(root)
    assert before[0].differences(folder(root)) == [line.replace("{}", "") for line in lines]
    found = before[1].differences(wrapped(root))
    assert found[: len(lines)] == [line.replace("{}", "dataset/") for line in lines]
    assert found[len(lines) :] in ([], ["other content: item 4 of dataset"])


def test_without_classes_their_names_do_not_matter(root):
    before = folder(root, 0)
    assert before.classes == []
    assert {entry.label for entry in before.entries.values()} == {None}


def test_a_label_that_changes_alone_is_named(root):
    before = folder(root)
    entries = before.entries | {"cat/0.bmp": before.entries["cat/0.bmp"]._replace(label=1)}
    assert before.differences(before.model_copy(update={"entries": entries})) == [
        "1 file in another class: cat/0.bmp (cat → dog)"
    ]


@pytest.mark.parametrize("limit", ["HASHED_BYTES", "HASHED_FILES"])
def test_contents_of_many_files_are_not_read(root, monkeypatch, limit):
    hashed = folder(root)
    monkeypatch.setattr(module, limit, 5)
    before = folder(root)
    assert {entry.content for entry in before.entries.values()} == {None}
    assert hashed.differences(before) == before.differences(hashed) == []
    picture(root / "dog" / "1.bmp", 99)
    assert before.differences(folder(root)) == []
    Image.new("L", (3, 3)).save(root / "dog" / "1.bmp")
    assert before.differences(folder(root)) == ["1 file with another size or content: dog/1.bmp"]


def test_names_that_are_no_text_and_files_that_cannot_be_read(tmp_path):
    (tmp_path / "line\nbreak.bmp").symlink_to("nowhere")
    name = os.fsdecode(b"caf\xe9.bmp")
    picture(tmp_path / name, 0)
    before = folder(tmp_path, 0)
    assert module.Fingerprint.model_validate_json(before.model_dump_json()) == before
    (tmp_path / name).unlink()
    (tmp_path / "line\nbreak.bmp").unlink()
    picture(tmp_path / "x.bmp", 0)
    _, removed = before.differences(folder(tmp_path, 0))
    assert removed == r"2 files removed: caf\xe9.bmp, line\nbreak.bmp"


def test_sets_that_the_config_determines_have_none(tmp_path):
    assert Digits(sample_shape=(1, 8, 8), num_classes=10).fingerprint() is None
    assert CartoonFaces(cache=str(tmp_path), sample_shape=(3, 32, 32), num_classes=0).fingerprint() is None


def test_mnist_is_the_same_packed_and_unpacked_and_another_byte_is_seen(tmp_path):
    raw = [tmp_path / name / "MNIST" / "raw" for name in ("unpacked", "packed")]
    for path in raw:
        path.mkdir(parents=True)
    for name in FILES:
        images = "images" in name
        content = (
            struct.pack(">4I", 0x803, 2, 28, 28) + bytes(2 * 28 * 28) if images else struct.pack(">2I", 0x801, 2) + bytes(2)
        )
        (raw[0] / name).write_bytes(content)
        (raw[1] / f"{name}.gz").write_bytes(gzip.compress(content))

    def read(place):
        return MNIST(root=str(tmp_path / place), sample_shape=(1, 28, 28), num_classes=10).fingerprint()

    assert read("unpacked") == read("packed")
    (raw[0] / FILES[3]).write_bytes((raw[0] / FILES[3]).read_bytes()[:-1] + b"x")
    assert read("packed").differences(read("unpacked")) == [f"1 file with another size or content: {FILES[3]}"]


def own(dataset, num_classes=0, **more):
    return UserDataset(dataset, sample_shape=(1, 2, 2), num_classes=num_classes, **more).fingerprint()


def tensors(n=100, seed=0):
    return TensorDataset(torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed)))


def test_items_without_names_are_counted_and_read():
    before = own(tensors())
    assert before.counts == {"items in dataset": 100}
    assert len(before.probes) == 16
    assert before.differences(own(tensors())) == []
    assert before.differences(own(tensors(101))) == ["100 → 101 items in dataset"]
    assert before.differences(own(tensors(seed=1))) == [
        "other content: item 0 of dataset, item 7 of dataset, item 13 of dataset, and 13 more"
    ]
    assert before.differences(own(tensors(), test_dataset=tensors(5))) == []
    apart = own(tensors(), test_dataset=tensors(5))
    assert apart.differences(own(tensors(), test_dataset=tensors(6))) == ["5 → 6 items in test_dataset"]


class Labelled(Dataset):
    """One image for all items, and labels as torchvision's sets have them."""

    def __init__(self, targets, classes=("cat", "dog")):
        self.targets, self.classes = targets, list(classes)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return Image.new("L", (2, 2))


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_labels_are_compared_where_they_are_used(kind):
    before = Labelled(kind([0, 1] * 30))
    other = Labelled(kind([0, 1] * 29 + [1, 0]))
    assert own(before, 2).differences(own(other, 2)) == ["other content: labels of dataset"]
    assert own(before).differences(own(other)) == []
    assert own(before, 2).differences(own(Labelled(before.targets, ("dog", "cat")), 2)) == [
        "class 0: cat → dog, class 1: dog → cat"
    ]


class Restless(Dataset):
    """Items that change: by the global generators, by one of its own, or because they raise."""

    def __init__(self, how):
        self.how, self.generator = how, np.random.default_rng(0)

    def __len__(self):
        return 30

    def __getitem__(self, i):
        if self.how == "global":
            return torch.full((1, 2, 2), torch.rand(()).item() + random.random() + np.random.rand())  # noqa: NPY002
        if self.how == "own":
            return self.generator.random((1, 2, 2))
        if self.how == "object":
            return object()
        raise RuntimeError("broken")


def test_random_items_raise_no_alarm():
    state = torch.get_rng_state()
    assert own(Restless("global")).differences(own(Restless("global"))) == []
    assert torch.equal(torch.get_rng_state(), state)
    for how in ("own", "object", "broken"):
        assert own(Restless(how)).probes == {}


def test_names_and_splits_of_a_folder_of_torchvision(root, tmp_path):
    def parts(path):
        data = UserDataset(
            datasets.ImageFolder(str(path)), sample_shape=(3, 2, 2), num_classes=2, validation=0.3, test=0.3
        ).parts()
        return [{os.path.relpath(part.dataset.samples[i][0], path) for i in part.indices} for part in data]

    before = parts(root)
    shutil.copytree(root, tmp_path / "copy")
    assert parts(tmp_path / "copy") == before
    picture(root / "cat" / "-1.bmp", 7)
    for one, other in zip(before, parts(root), strict=True):
        assert other - {"cat/-1.bmp"} == one
    mine = ImageFolder(root=str(root), sample_shape=(3, 2, 2), num_classes=2, validation=0.3, test=0.3)
    files = [str(file) for file in mine.listing().files]
    assert [{files[i] for i in part} for part in mine.split(mine.listing())] == parts(root)


def test_a_class_folder_whose_name_is_not_utf_8(tmp_path):
    for name in (b"caf\xe9", b"dog"):
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        Image.new("L", (2, 2)).save(folder / "x.png")
    found = ImageFolder(str(tmp_path), sample_shape=(1, 2, 2), num_classes=2).fingerprint()
    assert module.Fingerprint.model_validate_json(found.model_dump_json()) == found
