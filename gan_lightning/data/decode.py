"""Any image as uint8 (C, H, W): the rules of conversion.

Pillow's `convert("RGB")` alone saturates 16-bit greys, drops alpha and ignores the camera's orientation, without a warning.

- The image is turned upright by its EXIF orientation; an EXIF block that can't be read is ignored.
- Of an animation or a file with several pages the first frame is taken; of an open image, its current frame.
- 16-bit greys are scaled, 65535 → 255, as 16-bit colours are; 32-bit floats have no defined scale and are rejected. A range
  of values gives all of them a scale (`wide_values`); a PGM or PPM is scaled by its own largest value, unless it is given.
- Palettes are expanded; CMYK, YCbCr and 1-bit images are converted. A transparent palette entry or key colour becomes alpha.
- C = 1 is luminance (ITU-R 601-2), C = 3 RGB; alpha is composited over white. C = 4 is RGBA, opaque without alpha.
- A file that ends after its last pixel is accepted. One that ends before it is rejected, as is a file of more than
  178,956,970 pixels (Pillow's limit) and anything that is not a regular file.
- The image is scaled to cover H × W with its aspect ratio kept (Lanczos, antialiased), then cropped at the centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from stat import S_ISREG

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_lightning.data.base import DataError
from gan_lightning.data.decode_memory import MemoryBudget, estimate_bytes
from gan_lightning.data.image_formats import FORMATS
from gan_lightning.data.wide_colours import LARGEST, convert_wide_colours
from gan_lightning.data.wide_values import SIXTEEN_BITS, WideValues

RULES = 1  # increment it when the rules above change: images decoded by other rules are then decoded anew
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
BACKGROUND = "white"


def require_image_shape(sample_shape: tuple[int, ...]) -> None:
    """Raise DataError unless images can have this shape."""
    if len(sample_shape) != 3 or sample_shape[0] not in MODES:
        raise DataError(
            f"data.sample_shape: {list(sample_shape)} is no shape of images; "
            "allowed: [C,H,W] with C = 1 (grey), 3 (RGB) or 4 (RGBA), such as [3,64,64]"
        )


def decode(
    image: Path | Image.Image, sample_shape: tuple[int, ...], wide: WideValues | None = None, memory: MemoryBudget | None = None
) -> np.ndarray:  # -> (C, H, W) uint8
    """Convert an image file, or an open image, to `sample_shape` (C, H, W). Raises DataError, naming the file.

    `wide` converts values with more than 8 bits and keeps a summary of them; `memory` delays a file until it may be decoded.
    """
    channels, height, width = sample_shape
    name = (getattr(image, "filename", "") or "an image") if isinstance(image, Image.Image) else image
    wide = wide or WideValues()
    try:
        with open_upright(image, 2 * max(height, width), wide, memory) as upright:
            pixels = np.asarray(cover_crop(convert_mode(upright, MODES[channels], wide), height, width))
    except UnidentifiedImageError:
        raise DataError(f"{name}: not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}") from error
    except Image.DecompressionBombError:
        raise DataError(f"{name}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; scale it down") from None
    except Exception as error:  # for a broken file Pillow raises almost any exception
        raise DataError(f"{name}: {' '.join(str(error).split()) or type(error).__name__}") from error
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


@contextmanager
def open_upright(
    source: Path | Image.Image, min_side: int, wide: WideValues, memory: MemoryBudget | None
) -> Iterator[Image.Image]:
    """Open an image file, decoded and turned upright, or a copy of an open image.

    A JPEG with sides far above `min_side` is decoded at 1/2, 1/4 or 1/8 of its size. Raises ValueError unless the file is a
    regular one, and what Pillow raises for a broken one.
    """
    if isinstance(source, Image.Image):
        yield apply_exif(source)
        return
    if not S_ISREG(source.stat().st_mode):  # opening a pipe would block
        raise ValueError("no file that can be read from its start to its end")
    # opened as a file first: Pillow maps an uncompressed TIFF that it opens by its path, and scrambles a rotated one
    with source.open("rb") as file:
        stored = Image.open(file, formats=FORMATS)
        full_size = stored.size
        stored.draft(None, (min_side, min_side))
        with memory.reserve(estimate_bytes(stored, full_size)) if memory else nullcontext():
            upright = apply_exif(convert_wide_colours(stored, file, wide))
            del stored  # and its pixels
            yield upright


def apply_exif(image: Image.Image) -> Image.Image:
    """Return a copy of the image, turned upright by its EXIF orientation."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an EXIF block that can't be read does not make the pixels invalid
        return image.copy()


def convert_mode(image: Image.Image, mode: str, wide: WideValues) -> Image.Image:
    """Convert any image to mode L, RGB or RGBA. Raises ValueError if its values have no scale."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = to_eight_bits(image, wide)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode != "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    elif image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return image.convert(mode)


def to_eight_bits(image: Image.Image, wide: WideValues) -> Image.Image:
    """Convert grey with more than 8 bits to 8-bit grey, with alpha if one of its values is declared transparent.

    Raises ValueError if the values have no scale.
    """
    values, declared = np.asarray(image), image.info.get(LARGEST, SIXTEEN_BITS)
    if wide.value_range is not None and declared != SIXTEEN_BITS:
        values = np.rint(values * (declared / SIXTEEN_BITS))  # as in the file: Pillow has scaled them
    grey = Image.fromarray(wide.to_bytes(values, image.mode))
    if wide.value_range is None and declared != SIXTEEN_BITS:
        wide.note(0, SIXTEEN_BITS)  # the file itself says what its white is
    else:
        wide.note(float(values.min()), float(values.max()))
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)))
    return grey


def cover_crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale to cover height × width and crop at the centre, in one resampling; an image of that size is unchanged."""
    scale = max(height / image.height, width / image.width)
    left = int(image.width * scale - width) // 2 / scale  # whole pixels of the result: cropping alone does not blur
    top = int(image.height * scale - height) // 2 / scale
    box = (left, top, min(left + width / scale, image.width), min(top + height / scale, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
