"""A folder of images: what is found, what is refused, and that it is decoded once, whoever asks and however often."""

import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from waiting import HANG

from gan_lightning.data import decode_files, decoded_cache
from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.data.image_formats import SUFFIXES

SHAPE = (1, 4, 6)


def picture(path, value, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


@pytest.fixture
def root(tmp_path):
    """Twenty images, flat: image i is all of value 10 i."""
    for i in range(20):
        picture(tmp_path / "images" / f"{i:02}.png", 10 * i)
    return tmp_path / "images"


@pytest.fixture
def classes(tmp_path):
    """Three images a class; a class's images lie at any depth."""
    for label, name in enumerate(("ant", "bee", "cow")):
        for i in range(3):
            picture(tmp_path / "classes" / name / ("deep/er" if i == 2 else "") / f"{i}.png", 100 * label + i)
    return tmp_path / "classes"


def folder(root, **changes):
    arguments = {"root": str(root), "cache": str(root.parent / "cache"), "sample_shape": SHAPE, "num_classes": 0}
    return ImageFolder(**(arguments | changes))


def values(source):
    """What the images were painted with."""
    return ((source.part(0, len(source)).real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def everything(data):
    """The values of all images, whatever their split."""
    return sorted(value for part in data.splits for value in values(part))


def test_every_image_is_in_one_split(root):
    data = folder(root, validation=0.1, test=0.25)
    train, validation, test = (values(part) for part in data.splits)
    assert data.count().train == len(train)
    assert validation
    assert test
    assert sorted(train + validation + test) == [10 * i for i in range(20)]
    assert train == sorted(train)


def test_a_batch_is_images_in_the_range_of_the_game(root):
    batch = folder(root).splits.train.batch(seed=0, i=0, n=7)
    assert batch.condition is None
    assert batch.real.shape == (7, *SHAPE)
    assert batch.real.dtype == torch.float32
    assert set(((batch.real + 1) * 127.5).round().unique().tolist()) <= {10.0 * i for i in range(20)}


def test_labels_are_the_subfolders_in_the_order_of_their_names(classes):
    data = folder(classes, num_classes=3, validation=0, test=0)
    assert data.count().train == 9
    train = data.splits.train
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert values(train) == [0, 1, 2, 100, 101, 102, 200, 201, 202]
    assert torch.equal(train.strata, train.labels)
    batch = train.batch(seed=0, i=0, n=9)
    assert ((batch.real[:, 0, 0, 0] + 1) * 127.5 / 100).round().long().tolist() == batch.condition.tolist()


def test_without_classes_every_image_is_taken_unlabelled(classes):
    picture(classes / "loose.png", 99)
    train = folder(classes, validation=0, test=0).splits.train
    assert train.labels is None
    assert sorted(values(train)) == [0, 1, 2, 99, 100, 101, 102, 200, 201, 202]


def test_what_counts_as_an_image(tmp_path):
    root = tmp_path / "mixed"
    names = ["a.jpg", "b.JPEG", "c.png", "d.BMP", "e.gif", "f.webp", "g.tif", "h.TIFF"]
    for name in names:
        picture(root / name, 128)
    for name in (".hidden.png", "._a.jpg", ".git/x.png", "sub/.thumbnails/x.png"):
        picture(root / name, 0)
    for name in ("README.md", "labels.csv", "png"):
        (root / name).write_text("no image")
    (root / "folder.png").mkdir()
    data = folder(root, validation=0, test=0)
    assert [str(file) for file in data.listing().files] == names
    assert data.count().train == 8
    found = values(data.splits.train)
    assert found[1:] == [128] * 7
    assert found[0] == pytest.approx(128, abs=1)  # a JPEG


def test_links_are_followed_but_not_in_circles(root, tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    (top / "linked").symlink_to(root)
    (root / "circle").symlink_to(top)
    assert folder(top, validation=0, test=0).count().train == 20


def test_each_image_is_brought_to_the_shape(tmp_path):
    picture(tmp_path / "images" / "a.png", 7, size=(100, 30))
    picture(tmp_path / "images" / "b.png", 8, size=(2, 50))
    train = folder(tmp_path / "images", sample_shape=(3, 8, 5)).splits.train
    assert train.samples.shape == (2, 3, 8, 5)
    assert train.samples[:, 2, 7, 4].tolist() == [7, 8]


def test_counting_opens_nothing(root, decoded):
    (root / "broken.png").write_text("no image")
    assert folder(root, validation=0, test=0).count().train == 21
    assert decoded == []
    assert not (root.parent / "cache").exists()


def test_the_second_time_nothing_is_decoded(root, decoded):
    first = folder(root).splits
    assert sorted(decoded) == [f"{i:02}.png" for i in range(20)]
    second = folder(root).splits
    assert len(decoded) == 20
    assert [values(part) for part in first] == [values(part) for part in second]
    assert isinstance(second.train.samples, np.memmap)
    assert not second.train.samples.flags.writeable


def test_shares_of_the_split_are_not_decoded_anew(root, decoded):
    fewer = values(folder(root, validation=0.1).splits.validation)
    assert {*fewer} < {*values(folder(root, validation=0.5).splits.validation)}
    assert len(decoded) == 20


def test_a_copy_that_kept_its_times_is_not_decoded_anew(root, decoded):
    folder(root).load()
    shutil.copytree(root, root.parent / "copy")  # copies times too
    folder(root.parent / "copy").load()
    assert len(decoded) == 20


def changed_content(root):
    before = (root / "03.png").stat()
    picture(root / "03.png", 255)
    os.utime(root / "03.png", ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        (changed_content, {}),
        (lambda root: picture(root / "20.png", 5), {}),
        (lambda root: (root / "03.png").unlink(), {}),
        (lambda root: (root / "03.png").rename(root / "99.png"), {}),
        (lambda root: None, {"sample_shape": (3, 4, 6)}),
        (lambda root: None, {"sample_shape": (1, 6, 4)}),
    ],
    ids=["a file changes", "one more", "one less", "a new name", "colours", "another size"],
)
def test_what_changes_is_decoded_anew(root, decoded, change, arguments):
    before = folder(root)
    first = before.decoded_cache().fingerprint
    before.load()
    change(root)
    after = folder(root, **arguments)
    assert after.decoded_cache().fingerprint != first
    after.load()
    assert len(decoded) == 20 + len(after.listing().files)
    assert len(list((root.parent / "cache" / "image_folder").glob("*/samples.npy"))) == 2


def test_other_rules_of_decoding_decode_anew(root, decoded, monkeypatch):
    folder(root).load()
    monkeypatch.setattr(decoded_cache, "RULES", decoded_cache.RULES + 1)
    folder(root).load()
    assert len(decoded) == 40


def test_the_cache_says_what_it_holds(classes):
    data = folder(classes, num_classes=3)
    data.load()
    (place,) = (path for path in (classes.parent / "cache" / "image_folder").iterdir() if path.is_dir())
    assert sorted(path.name for path in place.iterdir()) == ["fingerprint.json", "labels.npy", "samples.npy"]
    record = json.loads((place / "fingerprint.json").read_text())
    array = (place / "samples.npy").stat()
    assert record.pop("samples.npy") == {
        "bytes": array.st_size,
        "mtime_ns": array.st_mtime_ns,
        "blake2b": hashlib.blake2b((place / "samples.npy").read_bytes()).hexdigest(),
    }
    assert record == {
        "root": str(classes),
        "count": 9,
        "sample_shape": [1, 4, 6],
        "num_classes": 3,
        "classes": ["ant", "bee", "cow"],
        "range": None,
        "wide_values": None,
        "rules": decoded_cache.RULES,
        "fingerprint": place.name,
    }
    assert np.load(place / "samples.npy").shape == (9, 1, 4, 6)
    assert np.load(place / "labels.npy").tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_where_the_cache_lies(root, monkeypatch, tmp_path):
    assert folder(root).cache == root.parent / "cache"
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "elsewhere"))
    assert folder(root, cache=None).cache == tmp_path / "elsewhere"
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GAN_LIGHTNING_CACHE")
    assert folder(root, cache=None).cache == tmp_path / "home" / ".cache" / "gan_lightning"
    assert folder(root, cache="~/mine").cache == tmp_path / "home" / "mine"


def test_the_size_is_told_before_the_work(root, monkeypatch, caplog, capsys):
    messages = []
    monkeypatch.setattr(
        decode_files, "decode", lambda path, shape, *_: messages.append(caplog.messages[-1]) or np.zeros(shape, np.uint8)
    )
    with caplog.at_level(logging.INFO, logger="gan_lightning"):
        folder(root, sample_shape=(3, 512, 512)).load()
    cache = root.parent / "cache" / "image_folder"
    assert messages[0].startswith(f"decoding 20 images once into 15 MiB at {cache}/")  # 20 · 3 · 512² = 15 · 2²⁰ bytes
    assert capsys.readouterr().err == ""  # no progress bar for so few


def test_many_images_show_their_progress(root, monkeypatch, capsys):
    monkeypatch.setattr(decode_files, "decode", lambda path, shape, *_: np.zeros(shape, np.uint8))
    for i in range(2001):
        (root / f"many{i}.png").touch()
    folder(root).load()
    assert "2021/2021" in capsys.readouterr().err


def test_too_small_a_disk_is_told_before_the_work(root, decoded, monkeypatch):
    usage = shutil.disk_usage(root)._replace(free=30 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        DataError, match=r"^data\.cache: 20 decoded images need 60 MiB in .*, where 30 MiB are free; .*data\.cache="
    ):
        folder(root, sample_shape=(3, 1024, 1024)).load()
    assert decoded == []


def test_a_disk_that_fills_up_is_told(root, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"^data\.cache: .*No space left on device.*data\.cache=FOLDER"):
        folder(root).load()
    assert not list((root.parent / "cache").glob("**/*.npy"))


def test_a_cache_that_cannot_be_written_is_told(root, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"^data\.cache: .*cache.*can't be written \(.*\); set data\.cache=FOLDER"):
        folder(root).load()


def test_all_broken_files_are_told_together(root):
    for i in range(7):
        (root / f"broken{i}.png").write_text("no image")
    with pytest.raises(DataError, match=r"^data\.root: 7 of 27 images can't be decoded; repair") as error:
        folder(root).load()
    assert [line.partition("/broken")[2].partition(":")[0] for line in error.value.lines[1:]] == [f"{i}.png" for i in range(7)]
    assert not list((root.parent / "cache").glob("**/*.npy"))  # nothing half done is left
    for i in range(7):
        (root / f"broken{i}.png").unlink()
    assert len(folder(root, validation=0, test=0).splits.train) == 20


def test_a_link_to_nowhere_is_a_broken_file(root):
    (root / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"(?s)1 of 21 images .*gone\.png: .*No such file"):
        folder(root).load()


@pytest.mark.parametrize("harm", [lambda path: os.truncate(path, 300), lambda path: path.write_bytes(b""), os.unlink])
def test_a_harmed_cache_is_written_anew(root, decoded, harm):
    folder(root).load()
    (path,) = (root.parent / "cache").glob("**/samples.npy")
    harm(path)
    assert everything(folder(root)) == [10 * i for i in range(20)]
    assert len(decoded) == 40


def mistakes(root, classes, **changes):
    with pytest.raises(DataError) as error:
        folder(**({"root": root, "num_classes": classes} | changes)).count()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_wrong_number_of_classes_says_both_and_names_some(classes):
    said = mistakes(classes, 10)
    assert said == (
        f"data.num_classes: 10, but 3 subfolders of {classes} hold images: ant, bee, cow; "
        "set data.num_classes=3, or 0 to take all images unlabelled"
    )
    for i in range(5):
        picture(classes / f"more{i}" / "x.png", 0)
    assert "but 8 subfolders" in mistakes(classes, 10)
    assert "ant, bee, cow, more0, more1, and 3 more;" in mistakes(classes, 10)


def test_subfolders_without_images_are_no_classes(classes):
    (classes / "empty").mkdir()
    (classes / "text").mkdir()
    (classes / "text" / "x.txt").write_text("no image")
    picture(classes / ".hidden" / "x.png", 0)
    assert folder(classes, num_classes=3, validation=0, test=0).count().train == 9


def test_a_flat_folder_has_no_classes(root):
    assert (
        mistakes(root, 10)
        == f"data.num_classes: 10, but 0 subfolders of {root} hold images; set data.num_classes=0 to take the images unlabelled"
    )


def test_images_beside_the_classes_are_told(classes):
    picture(classes / "preview.png", 0)
    assert "1 images lie in" in (said := mistakes(classes, 3))
    assert "preview.png; move them" in said


def test_roots_that_hold_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "faces.zip").write_bytes(b"PK")
    assert "data.root: " in (said := mistakes(tmp_path / "nowhere", 0))
    assert "nowhere does not exist; set data.root" in said
    assert "faces.zip is a file, not a folder; unpack it" in mistakes(tmp_path / "faces.zip", 0)
    assert f"empty holds no images ({' '.join(sorted(SUFFIXES))}), nor do its subfolders" in mistakes(tmp_path / "empty", 0)


@pytest.mark.parametrize("shape", [(64,), (2, 64, 64), (64, 64, 3)])
def test_a_shape_that_images_do_not_have(root, shape):
    assert mistakes(root, 0, sample_shape=shape).startswith("data.sample_shape: ")


def test_shares_that_leave_nothing_to_train_on(root):
    said = mistakes(root, 0, validation=0.5, test=0.5)
    assert said.startswith("data.validation and data.test: 0.5 and 0.5 leave nothing to train on")
    assert folder(root, validation=0.5, test=0.45).count().train == 1


def slow_and_counted(path, sample_shape, counter):
    """Decode, so slowly that all others have long begun, and leave one byte for each image."""
    with counter.open("ab", buffering=0) as file:
        file.write(b".")
    time.sleep(0.01)
    with Image.open(path) as image:
        return np.full(sample_shape, image.getpixel((0, 0)), dtype=np.uint8)


def load_at_once(root, start, results):
    """All begin together; each says what it got."""
    start.wait()
    try:
        results.append(everything(folder(root)))
    except Exception as error:
        results.append(repr(error))


def in_threads(root, counter, monkeypatch, workers=4):
    monkeypatch.setattr(decode_files, "decode", lambda path, shape, *_: slow_and_counted(path, shape, counter))
    start, results = threading.Barrier(workers), []
    threads = [threading.Thread(target=load_at_once, args=(root, start, results)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_that_start_at_once_decode_once(root, tmp_path, monkeypatch):
    results = in_threads(root, tmp_path / "counter", monkeypatch)
    assert results == [[10 * i for i in range(20)]] * 4
    assert (tmp_path / "counter").stat().st_size == 20


def test_without_the_lock_they_would_not(root, tmp_path, monkeypatch):
    """The test above can fail."""
    inside = threading.Barrier(4)

    @contextlib.contextmanager
    def together(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        inside.wait(HANG)
        yield

    monkeypatch.setattr(decoded_cache, "one_writer", together)
    results = in_threads(root, tmp_path / "counter", monkeypatch)
    all_good = results == [[10 * i for i in range(20)]] * 4
    assert not (all_good and (tmp_path / "counter").stat().st_size == 20)


forked = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="a spawned process imports torch: slow"
)


@forked
def test_eight_processes_that_start_at_once_decode_once(root, tmp_path, monkeypatch):
    monkeypatch.setattr(decode_files, "decode", lambda path, shape, *_: slow_and_counted(path, shape, tmp_path / "counter"))
    context = multiprocessing.get_context("fork")
    start = context.Barrier(8)

    def work(number):
        start.wait(HANG)
        samples = folder(root, sample_shape=(1, 4, 6)).load().train.samples
        (tmp_path / f"result{number}").write_bytes(samples.tobytes())

    processes = [context.Process(target=work, args=(number,)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANG)
    assert [process.exitcode for process in processes] == [0] * 8
    expected = b"".join(bytes([10 * i]) * 24 for i in range(20))
    assert {(tmp_path / f"result{number}").read_bytes() for number in range(8)} == {expected}
    assert (tmp_path / "counter").stat().st_size == 20


@forked
def test_a_process_that_is_killed_while_it_decodes_leaves_no_half(root, monkeypatch):
    context = multiprocessing.get_context("fork")

    def work():
        monkeypatch.setattr(
            decode_files, "decode", lambda path, shape, *_: os._exit(9) if path.name == "11.png" else np.ones(shape)
        )
        folder(root).load()

    process = context.Process(target=work)
    process.start()
    process.join(HANG)
    assert process.exitcode == 9
    cache = root.parent / "cache" / "image_folder"
    assert [path.suffix for path in cache.iterdir() if path.is_dir()] == [".partial"]
    assert everything(folder(root)) == [10 * i for i in range(20)]
    assert [path.suffix for path in cache.iterdir() if path.is_dir()] == [""]
