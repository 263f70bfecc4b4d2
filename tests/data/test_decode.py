"""What becomes of each kind of image: exact pixels, worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_lightning.data.base import DataError
from gan_lightning.data.decode import decode, require_image_shape

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLOURS = np.array([[RED, GREEN, BLUE], [(0, 0, 0), (255, 255, 255), (10, 20, 30)]], dtype=np.uint8)  # (2, 3, 3)
GREY = np.array([[0, 1, 2], [100, 200, 255]], dtype=np.uint8)


def saved(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_a_lossless_image_of_the_right_size_keeps_every_pixel(tmp_path, suffix):
    path = saved(Image.fromarray(COLOURS), tmp_path / f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    found = decode(path, (3, 2, 3))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, COLOURS.transpose(2, 0, 1))


def test_colour_becomes_luminance(tmp_path):
    path = saved(Image.fromarray(COLOURS), tmp_path / "x.png")
    # 0.299 R + 0.587 G + 0.114 B: 76.2, 149.7, 29.1; 0, 255, 18.2
    np.testing.assert_array_equal(decode(path, (1, 2, 3)), [[[76, 150, 29], [0, 255, 18]]])


@pytest.mark.parametrize(("channels", "expected"), [(1, [GREY]), (3, [GREY] * 3), (4, [GREY] * 3 + [np.full_like(GREY, 255)])])
def test_grey_becomes_what_is_asked(tmp_path, channels, expected):
    path = saved(Image.fromarray(GREY), tmp_path / "x.png")
    np.testing.assert_array_equal(decode(path, (channels, 2, 3)), np.stack(expected))


def test_alpha_is_composited_over_white_unless_it_is_asked_for(tmp_path):
    pixels = np.array([[(255, 0, 0, 128), (0, 0, 0, 0), (1, 2, 3, 255)]], dtype=np.uint8)
    path = saved(Image.fromarray(pixels), tmp_path / "x.png")
    # 128/255 red over white: 255, 127, 127; what is transparent is white, whatever its colour
    np.testing.assert_array_equal(decode(path, (3, 1, 3)), [[[255, 255, 1]], [[127, 255, 2]], [[127, 255, 3]]])
    np.testing.assert_array_equal(decode(path, (1, 1, 3)), [[[165, 255, 2]]])  # 0.299 · 255 + 0.701 · 127 = 165.3
    np.testing.assert_array_equal(decode(path, (4, 1, 3)), pixels.transpose(2, 0, 1))


def test_grey_with_alpha(tmp_path):
    pixels = np.array([[(0, 255), (0, 0), (0, 51)]], dtype=np.uint8)
    path = saved(Image.fromarray(pixels, "LA"), tmp_path / "x.png")
    np.testing.assert_array_equal(decode(path, (1, 1, 3)), [[[0, 255, 204]]])  # 51/255 = 0.2 of black over white
    np.testing.assert_array_equal(decode(path, (4, 1, 3))[3], [[255, 0, 51]])


def palette(tmp_path, **options):
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    return saved(image, tmp_path / "x.png", **options)


def test_a_palette_is_expanded(tmp_path):
    path = palette(tmp_path)
    with Image.open(path) as image:
        assert image.mode == "P"
    np.testing.assert_array_equal(decode(path, (3, 1, 3)), [[[255, 0, 0]], [[0, 255, 0]], [[0, 0, 255]]])
    np.testing.assert_array_equal(decode(path, (1, 1, 3)), [[[76, 150, 29]]])


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\xff"], ids=["one entry", "a table"])
def test_a_transparent_palette_entry_is_alpha(tmp_path, transparency):
    path = palette(tmp_path, transparency=transparency)
    np.testing.assert_array_equal(decode(path, (3, 1, 3)), [[[255, 255, 0]], [[0, 255, 0]], [[0, 255, 255]]])
    np.testing.assert_array_equal(decode(path, (4, 1, 3))[3], [[255, 0, 255]])


def test_a_key_colour_is_alpha(tmp_path):
    path = saved(Image.fromarray(COLOURS), tmp_path / "x.png", transparency=GREEN)
    np.testing.assert_array_equal(decode(path, (4, 2, 3))[3], [[255, 0, 255], [255, 255, 255]])
    assert decode(path, (3, 2, 3))[:, 0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_grey_is_scaled_and_not_saturated(tmp_path, suffix):
    wide = np.array([[0, 128, 129, 257], [300, 32768, 65407, 65535]], dtype=np.uint16)
    path = saved(Image.fromarray(wide), tmp_path / f"x.{suffix}")
    np.testing.assert_array_equal(decode(path, (1, 2, 4)), [[[0, 0, 1, 1], [1, 128, 255, 255]]])  # v / 257, rounded
    np.testing.assert_array_equal(decode(path, (3, 2, 4))[2], [[0, 0, 1, 1], [1, 128, 255, 255]])


def test_16_bit_grey_with_a_transparent_value(tmp_path):
    wide = np.array([[0, 32768, 32769]], dtype=np.uint16)
    path = saved(Image.fromarray(wide), tmp_path / "x.png", transparency=32768)
    np.testing.assert_array_equal(decode(path, (4, 1, 3)), [[[0, 128, 128]]] * 3 + [[[255, 0, 255]]])
    np.testing.assert_array_equal(decode(path, (1, 1, 3)), [[[0, 255, 128]]])


def test_1_bit(tmp_path):
    path = saved(Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE), tmp_path / "x.png")
    np.testing.assert_array_equal(decode(path, (1, 2, 3)), [[[0, 0, 0], [0, 255, 255]]])


def test_cmyk(tmp_path):
    path = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "x.jpg", quality=100)
    np.testing.assert_allclose(decode(path, (3, 16, 16))[:, 8, 8].astype(int), RED, atol=2)


def test_a_jpeg(tmp_path):
    path = saved(Image.new("RGB", (40, 20), (200, 100, 50)), tmp_path / "x.jpeg", quality=95)
    np.testing.assert_allclose(decode(path, (3, 8, 8)).reshape(3, -1).T.astype(int), [(200, 100, 50)] * 64, atol=2)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (4, [[4, 5, 6], [1, 2, 3]]),
        (5, [[1, 4], [2, 5], [3, 6]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (7, [[6, 3], [5, 2], [4, 1]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tiff"])  # Pillow itself turns a TIFF: once is enough
def test_exif_turns_the_image_upright(tmp_path, suffix, orientation, expected):
    image = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(image, tmp_path / f"x.{suffix}", exif=exif)
    np.testing.assert_array_equal(decode(path, (1, len(expected), len(expected[0]))), [expected])


def test_exif_turns_a_jpeg(tmp_path):
    """A camera held upright: stored 64 wide and 32 high, its left half is the upper half of the picture."""
    stored = np.zeros((32, 64), dtype=np.uint8)
    stored[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(saved(Image.fromarray(stored), tmp_path / "x.jpg", exif=exif, quality=100), (1, 64, 32))[0]
    assert found[:32].min() > 250
    assert found[32:].max() < 5


def test_exif_that_cannot_be_read_turns_nothing(tmp_path):
    path = saved(Image.fromarray(GREY), tmp_path / "x.png", exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(decode(path, (1, 2, 3)), [GREY])


@pytest.mark.parametrize("suffix", ["gif", "png", "tiff"])
def test_the_first_frame_is_taken(tmp_path, suffix):
    frames = [Image.new("L", (4, 4), value) for value in (10, 200, 90)]
    path = saved(frames[0], tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(decode(path, (1, 4, 4)), np.full((1, 4, 4), 10))


def test_what_is_too_wide_or_too_high_is_cropped_in_the_middle(tmp_path):
    ramp = np.arange(12, dtype=np.uint8).reshape(2, 6)
    wide, high = saved(Image.fromarray(ramp), tmp_path / "w.png"), saved(Image.fromarray(ramp.T.copy()), tmp_path / "h.png")
    np.testing.assert_array_equal(decode(wide, (1, 2, 2)), [[[2, 3], [8, 9]]])
    np.testing.assert_array_equal(decode(high, (1, 2, 2)), [[[2, 8], [3, 9]]])
    np.testing.assert_array_equal(decode(wide, (1, 2, 3)), [[[1, 2, 3], [7, 8, 9]]])  # 3 columns too many: 1 left, 2 right


@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 24, 8), (3, 10, 30), (3, 100, 40)])
def test_scaled_to_cover_then_cropped(tmp_path, shape):
    """The two at once are what they are one after the other."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    path = saved(Image.fromarray(pixels), tmp_path / "x.png")
    _, height, width = shape
    scale = max(height / 40, width / 60)
    across, down = round(60 * scale), round(40 * scale)
    whole = Image.fromarray(pixels).resize((across, down), Image.Resampling.LANCZOS)
    left, top = (across - width) // 2, (down - height) // 2
    expected = np.asarray(whole.crop((left, top, left + width, top + height))).transpose(2, 0, 1)
    np.testing.assert_allclose(decode(path, shape).astype(int), expected.astype(int), atol=1)


def test_a_round_thing_stays_round(tmp_path):
    y, x = np.mgrid[:300, :400]
    disc = np.where((x - 199.5) ** 2 + (y - 149.5) ** 2 < 100**2, 255, 0).astype(np.uint8)
    found = decode(saved(Image.fromarray(disc), tmp_path / "x.png"), (1, 30, 60))[0] > 127  # 0.15 of its size, over 30 rows
    assert found.any(0).sum() == 30
    assert found.any(1).sum() == 30
    assert found.sum() == pytest.approx(np.pi * 15**2, rel=0.03)


def test_stripes_finer_than_a_pixel_become_grey(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (256, 128))
    found = decode(saved(Image.fromarray(stripes), tmp_path / "x.png"), (1, 32, 32))
    assert found.min() >= 120
    assert found.max() <= 135


def test_transparent_pixels_lend_no_colour_when_scaled(tmp_path):
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)  # invisible green
    found = decode(saved(Image.fromarray(pixels), tmp_path / "x.png"), (4, 3, 3))
    assert found[1].max() == 0


def test_a_jpeg_read_at_a_fraction_of_its_size_is_the_same_picture(tmp_path):
    y, x = np.mgrid[:512, :768]
    pixels = np.stack([x / 3, y / 2, 127 + 100 * np.sin(x / 60)], 2).clip(0, 255).astype(np.uint8)
    jpeg, png = (
        saved(Image.fromarray(pixels), tmp_path / "x.jpg", quality=95),
        saved(Image.fromarray(pixels), tmp_path / "x.png"),
    )
    np.testing.assert_allclose(decode(jpeg, (3, 32, 32)).astype(int), decode(png, (3, 32, 32)).astype(int), atol=4)


def test_one_pixel_is_enough(tmp_path):
    path = saved(Image.new("RGB", (1, 1), (7, 8, 9)), tmp_path / "x.png")
    np.testing.assert_array_equal(decode(path, (3, 5, 2)), np.broadcast_to(np.array([7, 8, 9])[:, None, None], (3, 5, 2)))


def test_an_open_image_is_decoded_and_left_as_it_was(tmp_path):
    path = saved(Image.new("L", (4, 4), 10), tmp_path / "x.gif", save_all=True, append_images=[Image.new("L", (4, 4), 200)])
    with Image.open(path) as image:
        image.seek(1)
        assert decode(image, (1, 2, 2)).tolist() == [[[200, 200], [200, 200]]]  # the frame it stands at
        assert (image.tell(), image.size) == (1, (4, 4))
    with Image.open(saved(Image.new("RGB", (400, 400), RED), tmp_path / "x.jpg")) as image:
        decode(image, (3, 8, 8))
        assert image.size == (400, 400)


def truncated(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (truncated, "truncated"),
        (lambda path: path.write_bytes(b""), "not a JPEG"),
        (lambda path: path.write_text("<html>404</html>"), "not a JPEG"),
        (
            lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            "not a JPEG",
        ),  # runs no Ghostscript
        (lambda path: path.symlink_to("nowhere.png"), "No such file"),
        (lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path, format="TIFF"), "no scale"),
        (lambda path: Image.fromarray(np.full((4, 4), 70000, np.int32)).save(path, format="TIFF"), "no scale"),
    ],
    ids=["truncated", "empty", "a web page", "PostScript", "a link to nowhere", "floats", "32 bits"],
)
def test_a_broken_file_is_named(tmp_path, make, said):
    path = Path(tmp_path) / "broken.png"
    make(path)
    with pytest.raises(DataError, match=said) as error:
        decode(path, (3, 8, 8))
    assert "broken.png" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(), (64,), (64, 64), (2, 64, 64), (5, 64, 64), (64, 64, 3), (1, 3, 64, 64)])
def test_no_shape_of_images(shape):
    with pytest.raises(DataError, match=r"data\.sample_shape: .* allowed: \[C,H,W\]"):
        require_image_shape(shape)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 16), (4, 1, 1)])
def test_shapes_of_images(shape):
    require_image_shape(shape)
