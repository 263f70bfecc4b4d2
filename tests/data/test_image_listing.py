"""Which files of a folder are images: what is read, what is left out and named, and that a run's own samples are no data."""

import os
from pathlib import Path

import pytest
from PIL import Image, features

from gan_lightning.data import image_listing
from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.data.image_formats import SUFFIXES, begins_like_an_image, has_known_suffix
from gan_lightning.data.image_listing import ImageListing


def picture(path, value=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (16, 16), value).save(path, **options)


def names(files):
    return [file.as_posix() for file in files]


@pytest.fixture
def root(tmp_path):
    for i in range(6):
        picture(tmp_path / "images" / f"{i}.png", i)
    return tmp_path / "images"


def left_out(root):
    return ImageListing(root).left_out()


READ = ["a.jfif", "b.JPE", "c.pgm", "d.ppm", "e.pnm", "f.pbm", "g.avif", "h.jp2", "i.j2k", "j.apng", "k.dib", "l.TIFF"]


@pytest.mark.parametrize("name", READ)
def test_formats_that_pillow_reads(tmp_path, name):
    needed = {"g.avif": "avif", "h.jp2": "jpg_2000", "i.j2k": "jpg_2000"}.get(name)
    if needed and not features.check(needed):
        pytest.skip(f"this Pillow has no {needed}")
    root = tmp_path / "images"
    formats = {"b.JPE": "JPEG", "l.TIFF": "TIFF", "j.apng": "PNG", "k.dib": "BMP"}
    picture(root / name, 255, **({"format": formats[name]} if name in formats else {}))
    data = ImageFolder(str(root), str(tmp_path / "cache"), 0, 0, sample_shape=(3, 16, 16), num_classes=0)
    assert data.splits.train.samples.min() >= 250
    assert left_out(root) is None


def test_six_png_beside_400_jfif_are_406(root):
    for i in range(400):
        (root / f"{i}.jfif").touch()
    assert len(ImageListing(root).files) == 406


def test_every_file_that_looks_like_an_image_is_counted(root):
    for name in ("a.HEIC", "b.heic", "c.svg", "d.psd", "e.exr", "f.npy", "g.dng", "sub/h.tga"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"?")
    picture(root / "without", format="JPEG")
    picture(root / "photo.1234", format="PNG")
    for name in ("notes.txt", "labels.csv", "movie.mp4", "archive.tar.gz", ".hidden.heic", "._x.jpg", "text", "empty"):
        (root / name).write_text("" if name == "empty" else "no image")
    os.mkfifo(root / "pipe")
    assert left_out(root) == (
        f"data.root: 10 files in {root} that look like images are left out, 6 are used: 2 .heic, 1 .svg, 1 .psd, 1 .exr, "
        "1 .npy, 1 .dng, 1 .1234, 1 .tga, 1 without a suffix "
        "(not read; convert or rename them: a.HEIC, b.heic, c.svg, d.psd, e.exr, and 5 more)"
    )


def test_first_bytes_are_read_of_a_bounded_number_of_files(root, monkeypatch):
    monkeypatch.setattr(image_listing, "MAX_SNIFFED", 3)
    for i in range(5):
        picture(root / f"photo{i}", format="PNG")
    assert left_out(root).startswith(f"data.root: at least 3 files in {root} that look like images are left out, 6 are used: ")


@pytest.mark.parametrize(
    ("head", "image"),
    [
        (b"\xff\xd8\xff\xe0", True),
        (b"\x89PNG\r\n\x1a\n", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"RIFF\0\0\0\0WAVEfmt ", False),
        (b"\0\0\0\x18ftypheic", True),
        (b"\0\0\0\x18ftypisom", False),
        (b"P6\n3 2\n255\n", True),
        (b"Paper", False),
        (b"BMW is no bitmap", False),
        (b"", False),
        (b"#!/bin/sh", False),
    ],
)
def test_first_bytes(tmp_path, head, image):
    (tmp_path / "x").write_bytes(head)
    assert begins_like_an_image(tmp_path / "x") is image


def test_known_suffixes():
    assert has_known_suffix("x.TXT")
    assert has_known_suffix("x.gz")
    assert not has_known_suffix("x")
    assert not has_known_suffix("IMG.0001")


def run_folder(path):
    """A run's files, and a picture that it drew."""
    picture(path / "samples" / "step=00000001.png", 255)
    picture(path / "replay" / "step=1" / "real.png", 255)
    for name in ("config.yaml", "result.json"):
        (path / name).write_text("")


def test_a_run_in_the_folder_is_no_data(root):
    run_folder(root / "runs" / "first")
    run_folder(root / "sweep" / "seed=1")
    (root / "sweep" / "sweep.json").write_text("{}")
    picture(root / "sweep" / "overview.png")
    listing = ImageListing(root)
    assert names(listing.files) == [f"{i}.png" for i in range(6)]
    assert listing.left_out() == (
        f"data.root: 5 files in {root} that look like images are left out, 6 are used: "
        "5 in the folders of runs and sweeps (runs/first, sweep)"
    )


def test_a_root_that_is_itself_a_run_reads_all_but_what_the_run_wrote(root):
    run_folder(root)
    assert names(ImageListing(root).files) == [f"{i}.png" for i in range(6)]
    assert "2 in the folders of runs and sweeps (.)" in left_out(root)


def test_the_cache_in_the_folder_is_no_data(root):
    arguments = {"root": str(root), "cache": str(root / "cache"), "sample_shape": (1, 16, 16), "num_classes": 0}
    ImageFolder(**arguments).load()
    assert (len(ImageListing(root).files), left_out(root)) == (6, None)


def test_the_samples_of_a_run_can_be_scored(root):
    run_folder(root / "run")
    assert names(ImageListing(root / "run" / "samples").files) == ["step=00000001.png"]


def test_many_closed_folders_are_twenty_lines_and_a_count(root, monkeypatch):
    for i in range(30):
        (root / f"closed{i}").mkdir()
    real = os.scandir

    def closed(path):
        if Path(path).name.startswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError) as error:
        ImageListing(root)
    assert len(error.value.lines) == 21
    assert error.value.lines[-1] == "data.root: and 10 more folders can't be read"


LINE = ("experiment=anime_faces", "data.root=images", "data.sample_shape=[3,32,32]", "model.width=4", "trainer.max_steps=1",
        "metric=none", "data.cache=cache", "trainer.accelerator=cpu", "hydra.run.dir=images/run")  # fmt: skip


def test_the_command_says_what_is_left_out_and_never_reads_its_own_samples(command, root):
    (root / "x.heic").touch()
    first = command("gan-train", *LINE, "data.batch_size=4")
    assert first.code == 0, first.err
    assert list((root / "run" / "samples").glob("*.png"))
    assert "data.root: 1 files in" in first.err
    assert first.err.count("left out") == 1
    second = command("gan-train", "run=images/run", "trainer.max_steps=2", "data.cache=cache")
    assert second.code == 0, second.err
    assert "in the folders of runs and sweeps (run)" in second.err
    assert len(list((root.parent / "cache" / "image_folder").glob("*/samples.npy"))) == 1  # of the same six images


def test_a_folder_without_a_readable_image_names_the_others(command, tmp_path):
    for i in range(3):
        picture(tmp_path / "images" / f"x{i}", format="PNG")
    done = command("gan-train", *LINE[:-1], "hydra.run.dir=run")
    assert done.code == 2
    assert "3 without a suffix (not read; convert or rename them: x0, x1, x2)" in done.err
    assert f"holds no images ({' '.join(sorted(SUFFIXES))})" in done.err
