"""Images with more than 8 bits: which values become black and white, by hand, and what is said of those that come out black."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_lightning.data.base import DataError
from gan_lightning.data.image_folder import ImageFolder

VALUES = np.array([[0, 1000], [2048, 4095]], dtype=np.uint16)
TWELVE = [0, 62, 128, 255]  # 255 · v / 4095: 0, 62.3, 127.5, 255
COLOURS = np.stack([VALUES, VALUES // 2, VALUES // 4], axis=2)
TWELVE_COLOURS = [*TWELVE, 0, 31, 64, 127, 0, 16, 32, 64]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values, colour_type):
    """A PNG of 16 bits a channel; Pillow writes grey ones only."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(values, order="<", compression=1):
    """A TIFF of 16 bits a channel: little or big endian, stored as it is (1) or deflated (8)."""
    height, width, channels = values.shape
    data = values.astype(order + "u2").tobytes()
    data = zlib.compress(data) if compression == 8 else data
    entries = [(256, 4, width), (257, 4, height), (258, 3, None), (259, 3, compression), (262, 3, 2), (273, 4, None)]
    entries += [(277, 3, channels), (278, 4, height), (279, 4, len(data))]
    bits = 8 + 2 + 12 * len(entries) + 4
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(entries))
    for tag, kind, value in entries:
        count = channels if tag == 258 else 1
        value = bits if tag == 258 else bits + 2 * channels if tag == 273 else value
        short = kind == 3 and tag != 258
        head += struct.pack(order + "HHI", tag, kind, count) + struct.pack(
            order + ("HH" if short else "I"), *([value, 0][: 1 + short])
        )
    return head + struct.pack(order + "I", 0) + struct.pack(f"{order}{channels}H", *[16] * channels) + data


def saved(values, suffix):
    held = io.BytesIO()
    Image.fromarray(values).save(held, {"tif": "TIFF", "pgm": "PPM", "pfm": "PPM", "jp2": "JPEG2000"}.get(suffix, "PNG"))
    return held.getvalue()


def netpbm(magic, largest, values):
    return f"{magic}\n2 2\n{largest}\n".encode() + values.astype(">u2").tobytes()


@pytest.fixture
def folder(tmp_path):
    """Write files into a folder of images, and return it as data."""

    def make(files, **changes):
        (tmp_path / "images").mkdir(exist_ok=True)
        for name, held in files.items():
            (tmp_path / "images" / name).write_bytes(held)
        arguments = {"root": str(tmp_path / "images"), "cache": str(tmp_path / "cache"), "sample_shape": (1, 2, 2)}
        return ImageFolder(**(arguments | {"num_classes": 0, "validation": 0, "test": 0} | changes))

    return make


def pixels(data):
    """The bytes of each image, in the order of the names."""
    train = data.splits.train
    return train.samples.reshape(len(train), -1).tolist()


GREY = {f"x.{suffix}": saved(VALUES, suffix) for suffix in ("png", "tif", "pgm", "jp2")}
GREY |= {"alpha.png": png(np.stack([VALUES, np.full_like(VALUES, 65535)], axis=2), 4)}


@pytest.mark.parametrize("name", GREY)
def test_12_bits_in_16_come_out_black_which_is_said_with_the_range_that_cures_it(folder, name, tmp_path, capsys):
    dark = pixels(folder({name: GREY[name]}))[0]
    assert max(dark) <= 16
    assert capsys.readouterr().err == (
        f"data.root: 1 of 1 images in {tmp_path}/images have more than 8 bits, but no value above 4095 of 65535, so they are "
        "almost black; if they have 12 bits, set data.range=[0,4095]\n"
    )
    assert pixels(folder({}, range=[0, 4095]))[0] == TWELVE
    assert capsys.readouterr().err == ""


WIDE_COLOURS = {
    "rgb.png": png(COLOURS, 2),
    "rgba.png": png(np.concatenate([COLOURS, np.full((2, 2, 1), 65535, np.uint16)], axis=2), 6),
    "little.tif": tiff(COLOURS),
    "big.tif": tiff(COLOURS, ">"),
    "deflated.tif": tiff(COLOURS, "<", 8),
    "x.ppm": netpbm("P6", 65535, COLOURS),
}


@pytest.mark.parametrize("name", WIDE_COLOURS)
def test_16_bit_colours_have_both_bytes(folder, name, capsys):
    assert max(pixels(folder({name: WIDE_COLOURS[name]}, sample_shape=(3, 2, 2)))[0]) <= 16
    assert "set data.range=[0,4095]" in capsys.readouterr().err
    assert pixels(folder({}, sample_shape=(3, 2, 2), range=[0, 4095]))[0] == TWELVE_COLOURS


def test_a_transparent_colour_and_alpha_are_kept(folder):
    data = {"a.png": png(np.concatenate([COLOURS, VALUES[..., None] * 16], axis=2), 6)}
    assert pixels(folder(data, sample_shape=(4, 2, 2), range=[0, 4095]))[0] == [*TWELVE_COLOURS, 0, 62, 128, 255]


@pytest.mark.parametrize("value_range", [None, [0, 4095]])
def test_a_pgm_or_ppm_is_scaled_by_its_own_largest_value(folder, value_range, capsys):
    files = {"x.pgm": netpbm("P5", 4095, VALUES), "y.ppm": netpbm("P6", 4095, np.stack([VALUES] * 3, axis=2))}
    assert pixels(folder(files, range=value_range)) == [TWELVE, TWELVE]
    assert capsys.readouterr().err == ""


def test_a_dim_pgm_with_a_largest_value_of_its_own_is_not_taken_for_fewer_bits(folder, capsys):
    folder({"x.pgm": netpbm("P5", 4095, VALUES // 16)}).load()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("files", "value_range", "expected"),
    [
        ({"x.tif": saved((VALUES / 4095).astype(np.float32), "tif")}, [0, 1], TWELVE),
        ({"x.pfm": saved((VALUES / 4095).astype(np.float32), "pfm")}, [0, 1], TWELVE),
        ({"x.tif": saved(VALUES.astype(np.int32) - 1000, "tif")}, [-1000, 3095], TWELVE),
        ({"x.png": saved(VALUES, "png")}, [1000, 2048], [0, 0, 255, 255]),
        ({"x.png": saved(VALUES, "png")}, [1000.0, 3096.0], [0, 0, 128, 255]),
    ],
    ids=["floats", "pfm", "signed", "a window", "a half"],
)
def test_a_range_gives_any_values_a_scale(folder, files, value_range, expected):
    assert pixels(folder(files, range=value_range))[0] == expected


def test_without_a_range_floats_have_no_scale_and_the_line_says_the_cure(folder):
    with pytest.raises(DataError, match=r"no scale; .* give the values of black and white as data\.range"):
        folder({"x.tif": saved((VALUES / 4095).astype(np.float32), "tif")}).load()


def test_nan_has_no_value_in_any_range(folder):
    with pytest.raises(DataError, match=r"x\.tif: its F pixels contain NaN"):
        folder({"x.tif": saved(np.full((2, 2), np.nan, np.float32), "tif")}, range=[0, 1]).load()


@pytest.mark.parametrize(
    ("largest", "cure"), [(255, "[0,255]"), (256, "[0,511]"), (1023, "[0,1023]"), (8191, "[0,8191]"), (8192, None), (0, None)]
)
def test_the_range_is_the_smallest_that_fits(folder, largest, cure, capsys):
    folder(
        {"x.png": saved(np.array([[0, largest]], np.uint16), "png"), "y.png": saved(np.zeros((2, 2), np.uint16), "png")}
    ).load()
    said = capsys.readouterr().err
    assert said.rpartition("data.range=")[2].strip() == (cure or "")


def test_it_is_said_again_when_nothing_is_decoded(folder, tmp_path):
    folder({"x.png": GREY["x.png"]}).load()
    (record,) = (tmp_path / "cache").glob("**/fingerprint.json")
    assert json.loads(record.read_text())["wide_values"] == {"images": 1, "smallest": 0, "largest": 4095}
    summary = folder({}).decoded_cache().wide_summary()  # as another process reads it
    assert summary.notice(tmp_path, 1, None).endswith("set data.range=[0,4095]")


def test_8_bit_images_keep_their_values_and_the_range_never_does_nothing(folder, tmp_path, capsys):
    eight = saved((VALUES // 16).astype(np.uint8), "png")
    folder({"b.png": eight}, range=[0, 4095]).load()
    said = capsys.readouterr().err
    assert said == f"data.range: [0,4095] in {tmp_path}/images: it does not apply to 1 of 1 images, which have 8 bits\n"
    assert pixels(folder({"a.png": GREY["x.png"]}, range=[0, 4095])) == [TWELVE, TWELVE]
    said = capsys.readouterr().err
    assert said == f"data.range: [0,4095] in {tmp_path}/images: it does not apply to 1 of 2 images, which have 8 bits\n"


def test_values_outside_the_range_are_said(folder, capsys):
    folder({"x.png": GREY["x.png"]}, range=[100, 1023]).load()
    assert "values reach from 0 to 4095, and those outside become black or white" in capsys.readouterr().err


def test_another_range_is_another_cache(folder):
    fingerprints = [folder({"x.png": GREY["x.png"]}, range=r).decoded_cache().fingerprint for r in (None, [0, 4095], [0, 1023])]
    assert len(set(fingerprints)) == 3


LINE = ("experiment=anime_faces", "data.root=images", "data.sample_shape=[3,32,32]", "model.width=4", "trainer.max_steps=1",
        "metric=none", "data.cache=cache", "trainer.accelerator=cpu", "hydra.run.dir=run", "data.batch_size=2")  # fmt: skip


@pytest.mark.parametrize("value", ["[5]", "[3,3]", "[9,1]", "[0,1,2]", "[]", "[a,b]", "4095", "[0,.inf]"])
def test_a_range_that_is_none_is_one_line(command, folder, value):
    folder({f"{i}.png": GREY["x.png"] for i in range(4)})
    done = command("gan-train", *LINE, f"data.range={value}")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert done.err.startswith("data.range")


def test_the_command_says_the_range_and_takes_it(command, folder):
    folder({f"{i}.png": GREY["x.png"] for i in range(4)})
    done = command("gan-train", *LINE)
    assert done.code == 0, done.err
    assert done.err.count("set data.range=[0,4095]") == 1
    done = command("gan-train", *LINE[:-2], "hydra.run.dir=other", LINE[-1], "data.range=[0,4095]")
    assert done.code == 0, done.err
    assert "data.range" not in done.err
