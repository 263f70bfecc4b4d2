"""Every bad or odd image: refused by its name before the first step, or converted by a rule of docs/data.md."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import HANG

from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.data.image_formats import SUFFIXES

NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
BAR = np.zeros((32, 32), dtype=np.uint8)  # white above, black below
BAR[:16] = 255


def noise(path, **options):
    Image.fromarray(NOISE).save(path, **options)


def cut(share):
    """The file ends after this share of it."""

    def make(path):
        noise(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return make


def flipped(path):
    noise(path)
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(path):
    """A PNG that promises 20,000 × 20,000 pixels in a hundred bytes."""
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def text_bomb(path):
    """A comment of 100 MB in as many KB."""
    noise(path)
    held = path.read_bytes()
    comment = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 100_000_000))
    path.write_bytes(held[:33] + comment + held[33:])


def unreadable(path):
    noise(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")


def floats(value):
    return lambda path: Image.fromarray(np.full((8, 8), value, np.float32)).save(path, format="TIFF")


REFUSED = {  # file → how it is made, what is said of it
    "cut_early.png": (cut(0.02), "truncated|broken|Truncated|not a"),
    "cut_half.png": (cut(0.5), "truncated|broken"),
    "cut_late.png": (cut(0.97), "truncated|broken"),
    "cut_half.jpg": (cut(0.5), "truncated"),
    "cut_late.jpg": (cut(0.98), "truncated"),
    "cut_half.gif": (cut(0.5), "truncated"),
    "cut_half.bmp": (cut(0.5), "truncated"),
    "cut_half.webp": (cut(0.5), "decoder|frame"),
    "cut_half.tiff": (cut(0.5), "truncated|not a|decoder"),
    "flipped.png": (flipped, "broken"),
    "empty.png": (lambda path: path.write_bytes(b""), "not a JPEG, PNG"),
    "text.png": (lambda path: path.write_text("no image"), "not a JPEG, PNG"),
    "page.jpg": (lambda path: path.write_text("<html>404</html>"), "not a JPEG, PNG"),
    "postscript.png": (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not a JPEG, PNG"),
    "array.png": (lambda path: np.save(path.open("wb"), np.full((8, 8), np.nan)), "not a JPEG, PNG"),
    "float.tif": (floats(0.5), "no scale"),
    "nan.tif": (floats(np.nan), "no scale"),
    "32_bits.tif": (lambda path: Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(path, format="TIFF"), "no scale"),
    "bomb.png": (bomb, "more than 178,956,970 pixels; scale it down"),
    "text_bomb.png": (text_bomb, "too large"),
    "loop.png": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "nowhere.png": (lambda path: path.symlink_to("gone.png"), "No such file"),
    "pipe.png": (os.mkfifo, "no file that can be read"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "no file that can be read"),
    "unreadable.png": (unreadable, "Permission denied"),
}


def grey16(path):
    Image.fromarray(np.repeat(BAR.astype(np.uint16) * 128, 1, 1)).save(path)  # 32640 of 65535: half, and not white


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(BAR[::-1].copy()).save(path, exif=exif)


def animated(path):
    frames = [Image.fromarray(BAR), Image.fromarray(255 - BAR)]
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if path.suffix == ".webp" else {}))


def palette(path):
    Image.fromarray(BAR).convert("P").save(path)


def alpha(mode):
    """Red or black that can't be seen above, black below: over white, white above."""

    def make(path):
        image = Image.new(mode, (32, 32), (0, 255) if mode == "LA" else (0, 0, 0, 255))
        image.paste((0, 0) if mode == "LA" else (255, 0, 0, 0), (0, 0, 32, 16))
        image.save(path)

    return make


def whole_but_for_its_end(path):
    Image.fromarray(BAR).save(path)
    path.write_bytes(path.read_bytes()[:-12])


def odd_exif(path):
    Image.fromarray(BAR).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xffnonsense")


CONVERTED = {  # file → how it is made, what is seen above and below as bytes
    "grey16.png": (grey16, (127, 0)),
    "grey16.tif": (grey16, (127, 0)),
    "bit.png": (lambda path: Image.fromarray(BAR).convert("1").save(path), (255, 0)),
    "palette.png": (palette, (255, 0)),
    "palette.gif": (palette, (255, 0)),
    "cmyk.jpg": (lambda path: Image.fromarray(BAR).convert("RGB").convert("CMYK").save(path, quality=100), (255, 0)),
    "la.png": (alpha("LA"), (255, 0)),
    "rgba.png": (alpha("RGBA"), (255, 0)),
    "turned.png": (turned, (255, 0)),
    "turned.jpg": (turned, (255, 0)),
    "animated.gif": (animated, (255, 0)),
    "animated.png": (animated, (255, 0)),
    "animated.webp": (animated, (255, 0)),
    "odd_exif.png": (odd_exif, (255, 0)),
    "odd_exif.jpg": (odd_exif, (255, 0)),
    "wide.png": (lambda path: Image.fromarray(np.tile(BAR, (1, 3))).save(path), (255, 0)),
    "large.png": (lambda path: Image.fromarray(BAR.repeat(9, 0).repeat(9, 1)).save(path), (255, 0)),
    "small.png": (lambda path: Image.fromarray(BAR[12:20, :8].copy()).save(path), (255, 0)),
    "one_pixel.png": (lambda path: Image.new("L", (1, 1), 77).save(path), (77, 77)),
    "no_end.png": (whole_but_for_its_end, (255, 0)),
}


def folder(tmp_path, channels=1):
    shape = (channels, 32, 32)
    return ImageFolder(
        root=str(tmp_path / "images"), cache=str(tmp_path / "cache"), sample_shape=shape, num_classes=0, validation=0, test=0
    )


def made(tmp_path, table, *names):
    (tmp_path / "images").mkdir(exist_ok=True)
    for name in names:
        table[name][0](tmp_path / "images" / name)


def test_there_are_kinds_enough():
    assert len(REFUSED) + len(CONVERTED) >= 22


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_image_is_named(tmp_path, name):
    made(tmp_path, REFUSED, name)
    made(tmp_path, CONVERTED, "bit.png")
    with pytest.raises(DataError, match=REFUSED[name][1]) as error:
        folder(tmp_path, 3).load()
    head, line = error.value.lines
    assert head == "data.root: 1 of 2 images can't be decoded; repair or remove them"
    assert line.startswith(f"data.root: {tmp_path}/images/{name}: ")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CONVERTED)
def test_an_odd_image_is_converted_by_its_rule(tmp_path, name, channels):
    made(tmp_path, CONVERTED, name)
    found = folder(tmp_path, channels).splits.train.samples[0].astype(int)
    above, below = CONVERTED[name][1]
    lossy = 3 if name.endswith(".jpg") else 0
    assert found.shape == (channels, 32, 32)
    edges = np.concatenate([found[:, :12] - above, found[:, 20:] - below])  # what is scaled rings at the bar's edge
    assert np.abs(edges).max() <= (8 if name in ("small.png", "large.png") else lossy)


def test_all_bad_images_are_named_at_once(tmp_path):
    names = [name for name in REFUSED if name != "unreadable.png"]
    made(tmp_path, REFUSED, *names)
    made(tmp_path, CONVERTED, *CONVERTED)
    with pytest.raises(DataError) as error:
        folder(tmp_path).load()
    head, *lines = error.value.lines
    assert head.startswith(f"data.root: {len(names)} of {len(names) + len(CONVERTED)} images ")
    *lines, last = lines  # more than twenty: the others are in a file
    assert [line.partition("images/")[2].partition(":")[0] for line in lines] == sorted(names)[:20]
    assert last.startswith(f"data.root: and {len(names) - 20} more; all {len(names)} are listed in {tmp_path}/cache/")
    listed = Path(last.rpartition(" in ")[2]).read_text().splitlines()
    assert [line.partition("images/")[2].partition(":")[0] for line in listed] == sorted(names)


def test_a_decoder_that_takes_all_would_be_seen(tmp_path, monkeypatch):
    """The negative control: Pillow's own leniency turns half an image into a grey one, without a word."""
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    made(tmp_path, REFUSED, "cut_half.jpg")
    folder(tmp_path).load()


def test_closed_folders_are_named_at_once(tmp_path, monkeypatch):
    made(tmp_path, CONVERTED, "bit.png")
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir()
    real = os.scandir

    def closed(path):
        if Path(path).name in ("a", "b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError) as error:
        folder(tmp_path).count()
    assert len(error.value.lines) == 2
    assert all("can't be read (Permission denied); change its permissions" in line for line in error.value.lines)


LINE = ("experiment=anime_faces", "data.root=images", "data.sample_shape=[3,32,32]", "model.width=4", "trainer.max_steps=1",
        "metric=none", "data.cache=cache", "trainer.accelerator=cpu", "hydra.run.dir=run")  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_the_command_says_them_before_the_first_step(command, tmp_path, workers):
    made(tmp_path, REFUSED, "empty.png", "cut_half.jpg", "loop.png")
    made(tmp_path, CONVERTED, *CONVERTED)
    done = command("gan-train", *LINE, "data.batch_size=2", f"data.num_workers={workers}")
    assert done.code == 2
    lines = done.err.strip().splitlines()
    assert len(lines) == 4
    assert [name for name in ("cut_half.jpg", "empty.png", "loop.png") if f"images/{name}: " in done.err] == [
        "cut_half.jpg",
        "empty.png",
        "loop.png",
    ]
    assert not list((tmp_path / "run").glob("samples/*"))
    assert not list((tmp_path / "run").glob("checkpoints/*"))


@pytest.mark.slow
def test_a_real_process_says_them(tmp_path):
    made(tmp_path, REFUSED, "text.png", "bomb.png")
    made(tmp_path, CONVERTED, *CONVERTED)
    line = [sys.executable, "-m", "gan_lightning.cli.train", *LINE, "data.batch_size=2"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANG, check=False, cwd=tmp_path)
    told, *lines = done.stderr.strip().splitlines()
    assert told.startswith("decoding 22 images once into")
    assert (done.returncode, len(lines)) == (2, 3), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("count", "batch", "said"),
    [
        (
            0,
            2,
            f"images holds no images ({' '.join(sorted(SUFFIXES))}), nor do its subfolders; set data.root",
        ),
        (1, 2, "data.batch_size: 2 samples can't be served from 1 training samples; at most 1 can"),
        (30, 64, "data.batch_size: 64 samples can't be served from 29 training samples; at most 29 can"),
    ],
)
def test_too_few_images_say_both_numbers_and_the_cure(command, tmp_path, count, batch, said):
    (tmp_path / "images").mkdir()
    for i in range(count):
        noise(tmp_path / "images" / f"{i}.png")
    done = command("gan-train", *LINE, f"data.batch_size={batch}")
    assert (done.code, len(done.err.strip().splitlines())) == (2, 1)
    assert said in done.err
    assert not (tmp_path / "run").exists()


def test_a_number_that_is_none_in_a_data_set_of_ones_own(command, tmp_path, monkeypatch):
    """Its items are read when they are needed, so the first is told before step 1, and each other when it is met."""
    (tmp_path / "nanlab.py").write_text(
        "import torch\nclass Some(torch.utils.data.Dataset):\n    def __init__(self, at: int): self.at = at\n"
        "    def __len__(self): return 8\n    def __getitem__(self, i):\n"
        "        return torch.full((3, 32, 32), float('nan') if i == self.at else 0.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "nanlab")
    for at in (0, 5):
        line = [word for word in LINE if not word.startswith(("data.root", "data.cache", "hydra"))]
        words = ["data=dataset", f"data.dataset={{_target_: nanlab.Some, at: {at}}}", "data.validation=0", "data.test=0"]
        done = command("gan-train", *line, *words, "data.batch_size=8", f"hydra.run.dir=run{at}")
        assert done.code == 2, done.err
        assert done.err.strip() == f"data.dataset: item {at} holds 3072 values that are not finite; repair or leave it out"
    sys.modules.pop("nanlab")


def many(tmp_path, count):
    (tmp_path / "images").mkdir(exist_ok=True)
    for i in range(count):
        (tmp_path / "images" / f"{i:04}.png").write_text("no image")


def test_twenty_bad_images_are_twenty_lines(command, tmp_path):
    many(tmp_path, 20)
    done = command("gan-train", *LINE, "data.batch_size=2")
    assert (done.code, len(done.err.splitlines())) == (2, 21)


def test_three_hundred_bad_images_are_twenty_lines_a_count_and_a_file(command, tmp_path):
    many(tmp_path, 300)
    done = command("gan-train", *LINE, "data.batch_size=2")
    head, *lines, last = done.err.splitlines()
    assert (done.code, head) == (2, "data.root: 300 of 300 images can't be decoded; repair or remove them")
    assert [line.partition("images/")[2][:8] for line in lines] == [f"{i:04}.png" for i in range(20)]
    assert last.startswith("data.root: and 280 more; all 300 are listed in ")
    listed = Path(last.rpartition(" in ")[2]).read_text().splitlines()
    assert [line.partition("images/")[2].partition(":")[0] for line in listed] == [f"{i:04}.png" for i in range(300)]


def test_the_file_is_in_the_current_folder_where_the_cache_takes_none(tmp_path, monkeypatch):
    from gan_lightning.data.decode_files import broken_files_error

    monkeypatch.chdir(tmp_path)
    error = broken_files_error([f"{i}.png: broken" for i in range(21)], 30, tmp_path / "nowhere" / "errors.txt")
    assert error.lines[-1] == f"data.root: and 1 more; all 21 are listed in {tmp_path}/errors.txt"
    assert (tmp_path / "errors.txt").read_text().splitlines()[20] == "20.png: broken"
