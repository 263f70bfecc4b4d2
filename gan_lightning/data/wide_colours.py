"""Colours with 16 bits a channel, of which Pillow gives only the high byte.

The low byte is what Pillow gives when it is asked for the other byte order: value = 256 · high + low.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from gan_lightning.data.wide_values import SIXTEEN_BITS, WideValues

LARGEST = "largest value"  # key in an image's info: what a PGM declares its largest value to be
OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
COLOURS = ("RGB;16", "RGBA;16", "RGBX;16", "LA;16")  # Pillow's raw modes, without the byte order


def convert_wide_colours(image: ImageFile.ImageFile, file: BinaryIO, wide: WideValues) -> Image.Image:
    """Return an image whose colours have 16 bits as one of 8 bits; any other image is returned as it is, not yet read.

    Without a range the high byte is taken. Raises what Pillow raises for a broken file.
    """
    raw, *more = decoder_arguments(image)
    if image.format == "PPM":
        return convert_netpbm(image, file, wide, more[0] if more else 255)
    if str(raw)[:-1] not in COLOURS:
        return image
    image.load()
    if wide.value_range is None:
        extrema = np.array(image.getextrema())[:3]  # (3, 2), of the high bytes
        wide.note(256 * int(extrema.min()), 256 * int(extrema.max()) + 255)
        return image
    if str(raw).startswith("LA"):  # 4 bytes a pixel, in this order
        high_low_alpha = np.asarray(reopen(image, file, "RGBA"))
        values = high_low_alpha[..., :1].astype(np.uint16) * 256 + high_low_alpha[..., 1:2]
        return to_image(values.repeat(3, axis=2), high_low_alpha[..., 2:3], image, wide)
    high, low = np.asarray(image), np.asarray(reopen(image, file, str(raw)[:-1] + OTHER_ORDER[str(raw)[-1]]))
    return to_image(high[..., :3].astype(np.uint16) * 256 + low[..., :3], high[..., 3:], image, wide)


def reopen(image: ImageFile.ImageFile, file: BinaryIO, raw: str) -> ImageFile.ImageFile:
    """Return the same image, read by another raw mode."""
    file.seek(0)
    other = Image.open(file, formats=[image.format or ""])
    for i, tile in enumerate(other.tile):
        other.tile[i] = tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
    other.load()
    return other


def decoder_arguments(image: ImageFile.ImageFile) -> tuple[Any, ...]:
    """Return what Pillow gives to the decoder of the first tile: the raw mode, and more for some formats."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, tuple) and arguments else (arguments,)


def convert_netpbm(image: ImageFile.ImageFile, file: BinaryIO, wide: WideValues, largest: int) -> Image.Image:
    """Convert a PPM with more than 8 bits, and mark a PGM with the largest value that it declares; Pillow scales by it.

    Raises ValueError if the file ends before its last pixel.
    """
    codec, _, offset, _ = image.tile[0]
    if largest <= 255 or codec != "ppm" or image.mode != "RGB":
        if image.mode == "I":
            image.info[LARGEST] = largest if largest > 255 else SIXTEEN_BITS
        return image
    width, height = image.size
    file.seek(offset)
    values = np.frombuffer(file.read(6 * width * height), dtype=">u2")
    if values.size != 3 * width * height:
        raise ValueError("the file is truncated")
    values = values.reshape(height, width, 3)
    if wide.value_range is not None:
        return to_image(values, np.empty((height, width, 0), np.uint8), image, wide)
    wide.note(
        0, int(values.max()) if largest == SIXTEEN_BITS else SIXTEEN_BITS
    )  # another largest value is the file's own white
    return image


def to_image(values: np.ndarray, alpha: np.ndarray, source: Image.Image, wide: WideValues) -> Image.Image:
    """Return colours (H, W, 3) of 16 bits as an image of 8 bits, with `alpha` (H, W, 0 or 1) and the info of its source."""
    if isinstance(key := source.info.get("transparency"), tuple):
        alpha = np.where((values == np.array(key)).all(2, keepdims=True), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.concatenate([wide.to_bytes(values, source.mode), alpha], axis=2))
    wide.note(int(values.min()), int(values.max()))
    image.info = {name: value for name, value in source.info.items() if name != "transparency"}
    return image
