"""Arrays in files: images, signals and points from .npy, .npz and .csv, their labels, and hostile or broken files."""

import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from gan_lightning.data import array_file
from gan_lightning.data.array import Array
from gan_lightning.data.array_file import array_names, read_array
from gan_lightning.data.base import DataError

RANDOM = np.random.default_rng(0)
SIGNALS = RANDOM.uniform(-1, 1, (40, 2, 16)).astype(np.float32)


def made(file, shape, **given):
    return Array(file=str(file), sample_shape=shape, **({"num_classes": 0} | given))


def everything(data):
    parts = [split.part(0, 100) for split in data.splits]
    return np.concatenate([part.real.numpy() for part in parts]), [part.condition for part in parts]


def rows(samples):
    return sorted(map(tuple, np.asarray(samples, dtype=np.float32).reshape(len(samples), -1).tolist()))


def test_signals_of_npy(tmp_path):
    np.save(tmp_path / "a.npy", SIGNALS)
    data = made(tmp_path / "a.npy", (2, 16), validation=0.25, test=0.25)
    assert data.sizes() == (20, 10, 10)
    assert rows(everything(data)[0]) == rows(SIGNALS)
    assert data.fingerprint().differences(made(tmp_path / "a.npy", (2, 16)).fingerprint()) == []


def test_bytes_are_images_and_a_range_scales(tmp_path):
    images = RANDOM.integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images)
    plain, given = (everything(made(tmp_path / "a.npy", (3, 4, 4), **own))[0] for own in ({}, {"range": [0, 255]}))
    np.testing.assert_allclose(plain, given, atol=1e-6)
    assert (plain.min(), plain.max()) == (images.min() / 127.5 - 1, images.max() / 127.5 - 1)


def test_points_of_csv_are_not_scaled(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{-2 * i}\n" for i in range(30)))
    assert rows(everything(made(tmp_path / "a.csv", (2,)))[0]) == [(float(i), -2.0 * i) for i in range(30)]
    (tmp_path / "b.csv").write_text("".join(f"{i / 30};{-i / 30};0;1\n" for i in range(30)))
    assert made(tmp_path / "b.csv", (1, 4)).splits.train.part(0, 1).real.shape == (1, 1, 4)


def test_labels_of_an_npz_and_of_a_file(tmp_path):
    labels = np.arange(40) % 4
    signals = SIGNALS.copy()
    signals[:, 0, 0] = labels / 4
    np.savez_compressed(tmp_path / "a.npz", x=signals, y=labels)
    np.save(tmp_path / "y.npy", labels)
    for source in ("y", str(tmp_path / "y.npy")):
        real, conditions = everything(made(tmp_path / "a.npz", (2, 16), array="x", labels=source, num_classes=4))
        assert (real[:, 0, 0] * 4).tolist() == [int(label) for condition in conditions for label in condition]


def test_a_file_that_holds_python_is_refused_and_nothing_is_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "MARK"),)

    np.save(tmp_path / "a.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Payload()))
    for name, said in (("a", "holds object, not numbers"), ("b", "the magic string is not correct")):
        with pytest.raises(DataError, match=rf"^data\.file: .*{name}\.npy: .*{said}"):
            made(tmp_path / f"{name}.npy", (1,)).count()
    assert not (tmp_path / "MARK").exists()


def header(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_a_header_that_promises_too_much_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(header((2**40, 2)) + b"1234")
    with pytest.raises(DataError, match=r"a\.npy: its header promises 17,592,186,044,416 bytes, but it holds \d+$"):
        made(tmp_path / "a.npy", (2,)).count()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header((2**40, 2)) + b"1234")
    with pytest.raises(DataError, match=r"a\.npz: its header promises"):
        made(tmp_path / "a.npz", (2,)).count()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2\n3\n", "row 2 has 1 values, the first has 2"),
        ("x,y\n1,2\n3,four\n", "row 3 is no row of numbers"),
        ("x,y\n", "holds no numbers"),
    ],
)
def test_a_csv_that_is_no_table_of_numbers_is_refused(tmp_path, content, said):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=rf"^data\.file: .*a\.csv: {said}$"):
        made(tmp_path / "a.csv", (2,)).count()


@pytest.mark.parametrize(
    ("array", "shape", "given", "said"),
    [
        (
            SIGNALS,
            (2, 15),
            {},
            r"data\.sample_shape: \[2, 15\], but .* of shape \[40, 2, 16\].*; set data\.sample_shape=\[2, 16\]",
        ),
        (SIGNALS * 9, (2, 16), {}, r"data\.range: .* holds values from -\d\S+ to \d\S+; set data\.range to"),
        (SIGNALS, (2, 16), {"range": [1, 0]}, r"data\.range: \[1, 0\] is no range"),
        (SIGNALS, (2, 16), {"num_classes": 2}, r"data\.labels: none, but data\.num_classes is 2"),
        (np.full((9, 2), np.nan), (2,), {}, r"data\.file: .* holds values that are not finite"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, array, shape, given, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=f"^{said}"):
        made(tmp_path / "a.npy", shape, **given).count()


def test_labels_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=SIGNALS, few=np.arange(3), high=np.full(40, 7), half=np.full(40, 0.5))
    for name, said in (
        ("few", "allowed: one whole number"),
        ("half", "allowed: one whole number"),
        ("high", "labels from 7 to 7"),
    ):
        with pytest.raises(DataError, match=rf"^data\.labels: {name} .*{said}"):
            made(tmp_path / "a.npz", (2, 16), array="x", labels=name, num_classes=2).count()
    with pytest.raises(DataError, match=r"holds 4 arrays: x, few, high, half; set data\.array"):
        made(tmp_path / "a.npz", (2, 16)).count()
    with pytest.raises(DataError, match=r"^data\.file: .*b\.npy: No such file"):
        made(tmp_path / "b.npy", (2, 16)).count()


def test_a_pipe_and_a_broken_archive_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "a.mat").write_bytes(b"nothing")
    for name, said in (
        ("a.npy", "no file that can be read"),
        ("a.npz", "not a zip file"),
        ("a.mat", "no .npy, .npz, .csv file"),
    ):
        with pytest.raises(DataError, match=rf"{name}: .*{said}"):
            made(tmp_path / name, (2,)).count()


def test_a_csv_is_held_as_one_array_of_numbers(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("1\n" * 10_000)
    tracemalloc.start()
    found = read_array(tmp_path / "a.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (10_000, 1)
    assert peak < 4 * found.nbytes
    monkeypatch.setattr(array_file, "machine_memory", lambda: 2 * 8 * 1000)
    with pytest.raises(DataError, match=r"a\.csv: its first 1,001 rows need more than half of the memory$"):
        read_array(tmp_path / "a.csv")
    monkeypatch.setattr(array_file, "MAX_LINE", 10)
    (tmp_path / "b.csv").write_text("1,2\n3,4,5,6,7,8\n")
    with pytest.raises(DataError, match=r"b\.csv: row 2 has more than"):
        read_array(tmp_path / "b.csv")


def test_a_pipe_is_no_npz_and_other_members_are_no_arrays(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match=r"pipe\.npz: no file that can be read"):
        array_names(tmp_path / "pipe.npz")
    np.savez(tmp_path / "a.npz", x=SIGNALS)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("notes.txt", "no array")
    assert array_names(tmp_path / "a.npz") == ["x"]
    assert np.array_equal(read_array(tmp_path / "a.npz"), SIGNALS)


def complaint(path):
    try:
        read_array(path)
    except DataError as error:
        return error.lines
    return ()


def test_broken_bytes_are_one_line(tmp_path):
    """Change single bytes of packed arrays, headers and text: a reader may fail, but with the file's name."""
    contents = {}
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(tmp_path / "whole.npz", "w", method) as archive, archive.open("x.npy", "w") as file:
            np.lib.format.write_array(file, SIGNALS[:4])
        contents[f"{method}.npz"] = (tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "whole.npy", SIGNALS[:1])
    contents["a.npy"], contents["a.csv"] = (tmp_path / "whole.npy").read_bytes(), b"1,2\n3,4\n"
    failures = 0
    for name, content in contents.items():
        for at in range(0, len(content), max(1, len(content) // 60)):
            for value in (0, 40, 255):
                (tmp_path / name).write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
                lines = complaint(tmp_path / name)
                assert all(line.startswith(f"{tmp_path / name}: ") and "\n" not in line for line in lines)
                failures += len(lines)
    assert failures > 100
    (tmp_path / "a.csv").write_text('1,"' + "2" * 200_000 + '"')  # more than a field of csv has
    with pytest.raises(DataError, match=r"a\.csv: field larger than"):
        read_array(tmp_path / "a.csv")


def test_values_beyond_float32_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 2), 1e300))
    for given in ({}, {"range": [0, 1e300]}):
        with pytest.raises(DataError, match=r"^data\.file: .*a\.npy holds values that float32 can't hold"):
            made(tmp_path / "a.npy", (2,), **given).count()
