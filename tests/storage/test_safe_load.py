"""A file of tensors is loaded within the memory of its size, and nothing but plain data: archives and pickles as weapons."""

import os
import zipfile

import numpy as np
import pytest
import torch

from gan_lightning.run.checkpoints import damage
from gan_lightning.storage import archive, plain_data, safe_load


def archived(path, change=lambda name, data: data, compression=zipfile.ZIP_STORED):
    """An archive as torch writes it, with its entries changed; an entry that becomes None is left out."""
    torch.save({"a": torch.arange(100.0)}, path)
    with zipfile.ZipFile(path) as file:
        entries = {entry.filename: file.read(entry) for entry in file.infolist()}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries.items():
            if (changed := change(name.partition("/")[2], data)) is not None:
                file.writestr(name, changed)
    return path


def in_pickle(old, new):
    """Replace bytes of the pickle."""

    def change(name, data):
        assert name != "data.pkl" or old in data
        return data.replace(old, new) if name == "data.pkl" else data

    return change


def instead(pickled):
    return lambda name, data: pickled if name == "data.pkl" else data


LARGE = b"J" + (2**30).to_bytes(4, "little")  # 2^30 in a pickle, where K d is 100
ARCHIVES = {
    "a storage that is declared larger": in_pickle(b"Kdt", LARGE + b"t"),
    "a storage that is declared smaller": in_pickle(b"Kdt", b"K\x01t"),
    "a storage that is cut off": lambda name, data: data[:40] if name == "data/0" else data,
    "a storage that is missing": lambda name, data: None if name == "data/0" else data,
    "a view beyond the storage": in_pickle(b"Kd\x85", LARGE + b"\x85"),
    "a view that begins beyond it": in_pickle(b"QK\x00", b"QK\x63"),
    "a view that repeats one number": in_pickle(b"K\x01\x85", b"K\x00\x85"),
    "the other byte order": lambda name, data: b"big" if name == "byteorder" else data,
    "no byte order": lambda name, data: b"odd" if name == "byteorder" else data,
    "a long pickle": instead(b"\x80\x02" + b"]" * archive.MAX_PICKLE + b"."),
    "a pickle that promises a long text": instead(b"\x80\x02X\xff\xff\xff\x7fabc."),
    "a pickle that promises a long number": instead(b"\x80\x02\x8b\xff\xff\xff\x7f."),
    "a deep pickle": instead(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."),
    "an array of a terabyte": instead(b"\x80\x02c__builtin__\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."),
    "a cut pickle": lambda name, data: data[:50] if name == "data.pkl" else data,
    "no pickle": lambda name, data: None if name == "data.pkl" else data,
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_archive_takes_more_than_its_size(tmp_path, kind):
    why = damage(archived(tmp_path / "step=00000001.ckpt", ARCHIVES[kind]))
    assert why
    assert why.isprintable()


def test_an_honest_archive_is_loaded(tmp_path):
    """The control: written anew without a change."""
    path = archived(tmp_path / "step=00000001.ckpt")
    assert damage(path) is None
    assert torch.equal(safe_load.load(path)["a"], torch.arange(100.0))


def test_no_archive_unpacks(tmp_path):
    """A gigabyte of zeros in a megabyte, two entries of one name, and entries that share their bytes."""
    with zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + b"]" * 10**6 + b".")
    assert (tmp_path / "bomb.ckpt").stat().st_size < 10_000
    assert damage(tmp_path / "bomb.ckpt") == "holds compressed entries, which torch does not write"
    with zipfile.ZipFile(tmp_path / "twice.ckpt", "w") as file:
        file.writestr("archive/data.pkl", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("archive/data.pkl", b"2")
    assert damage(tmp_path / "twice.ckpt") == "holds two entries of one name"
    with zipfile.ZipFile(tmp_path / "shared.ckpt", "w") as file:
        file.writestr("archive/data/0", b"x" * 1000)
        (entry,) = file.infolist()
        for i in range(1, 9):
            copy = zipfile.ZipInfo(f"archive/data/{i}")
            copy.CRC, copy.file_size, copy.compress_size, copy.header_offset = entry.CRC, 1000, 1000, entry.header_offset
            file.filelist.append(copy)
    assert damage(tmp_path / "shared.ckpt") == "holds entries that are longer than the file"


TENSORS = {
    "sparse": torch.eye(3).to_sparse(),
    "without values": torch.zeros(3, device="meta"),
    "conjugated": torch.zeros(3, dtype=torch.complex64).conj(),
    "negated": torch.zeros(3, dtype=torch.complex64).conj().imag,
    "repeated": torch.zeros(1).expand(2**38),
    "overlapping": torch.zeros(4).as_strided((4, 4), (1, 0)),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_no_tensor_is_more_than_its_bytes(tmp_path, kind):
    torch.save({"a": TENSORS[kind]}, tmp_path / "a.pth")
    with pytest.raises(safe_load.UnsafeFileError, match="holds a tensor"):
        safe_load.load(tmp_path / "a.pth")


def test_plain_data_are_copied(tmp_path):
    """Types and values; a view of a larger tensor and a shared one are plain."""
    shared = torch.arange(6.0)
    held = {
        "a": [1, 2.5, "x", None, True, b"y"],
        "b": (shared, shared[2:4], shared.view(2, 3).T, shared.view(2, 3)[:0, 1:]),
        3: {"c": set()},
    }
    torch.save(held | {"p": torch.nn.Parameter(shared)}, tmp_path / "a.pth")
    found = safe_load.load(tmp_path / "a.pth")
    assert plain_data.structure(held) == plain_data.structure({key: found[key] for key in held})
    assert torch.equal(found["b"][2], shared.view(2, 3).T)
    assert type(found["p"]) is torch.Tensor
    assert not found["p"].requires_grad


def test_a_pickle_of_before_is_limited(tmp_path, monkeypatch):
    """In torch's format before version 1.6, in which published weights are, the pickle has no size of its own."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.arange(10.0)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(safe_load.load(path)["a"], torch.arange(10.0))
    assert damage(path) == "is no archive as torch writes", "a run's checkpoint has checksums"
    monkeypatch.setattr(safe_load, "MAX_CALLS", 50)
    with pytest.raises(safe_load.UnsafeFileError, match="holds too long a pickle"):
        safe_load.load(path)


def test_what_is_no_file_is_not_opened(tmp_path):
    """A pipe would wait for ever, and /dev/zero never ends."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "zero", "folder"):
        assert damage(tmp_path / name) == "is no regular file"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 3, "a": 4}, True),
        ({"a": torch.zeros(3)}, {"a": torch.ones(3)}, True),
        ({"a": torch.zeros(3)}, {"a": torch.zeros(3, 1)}, False),
        ({"a": torch.zeros(3)}, {"a": torch.zeros(3).double()}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [1]}, {"a": (1,)}, False),
        ({1: 1}, {"1": 1}, False),
        ({"a": {}}, {"a": []}, False),
        ({"a": {"b": 1}}, {"a.b": 1}, False),
    ],
)
def test_a_structure_is_names_types_shapes_and_dtypes(one, other, same):
    assert (plain_data.structure(one) == plain_data.structure(other)) == same
    assert (plain_data.first_difference(one, other, "x") is None) == same


def test_numpy_is_not_plain(tmp_path):
    torch.save({"a": np.float64(3)}, tmp_path / "a.pth")
    with pytest.raises(safe_load.UnsafeFileError):
        safe_load.load(tmp_path / "a.pth")
