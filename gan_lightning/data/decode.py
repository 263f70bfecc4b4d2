"""Any image → uint8 (C, H, W): the one place that says how.

Pillow's `convert("RGB")` alone saturates 16-bit greys, drops alpha and ignores how the camera was held, without a word.

- Turned upright by its EXIF orientation; an EXIF block that can't be read turns nothing.
- Of an animation or a file of several pages the first is taken; of an image already open, the frame it stands at.
- 16-bit greys are scaled, 65535 → 255, as 16-bit colours are; 32-bit floats have no scale of their own and are refused.
- Palettes are expanded, CMYK, YCbCr and 1-bit converted. A transparent palette entry or key colour is alpha.
- C = 1 is luminance (ITU-R 601-2), C = 3 RGB, both over white where there is alpha; C = 4 is RGBA, opaque where there is none.
- What is whole is taken: a file that ends after its last pixel. One that ends before it is refused, and so is a file of more
  than 178,956,970 pixels (Pillow's limit) and whatever is no plain file.
- Scaled to cover H × W, its aspect kept (Lanczos, antialiased), then cropped in the middle.
"""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_lightning.data.base import DataError

RULES = 1  # raise it with every change of the rules above: what was decoded by others is then decoded again
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
BACKGROUND = "white"


def require_image_shape(sample_shape: tuple[int, ...]) -> None:
    """Raise DataError unless images can have this shape."""
    if len(sample_shape) != 3 or sample_shape[0] not in MODES:
        raise DataError(
            f"data.sample_shape: {list(sample_shape)} is no shape of images; "
            "allowed: [C,H,W] with C = 1 (grey), 3 (RGB) or 4 (RGBA), such as [3,64,64]"
        )


def decode(image: Path | Image.Image, sample_shape: tuple[int, ...]) -> np.ndarray:  # -> (C, H, W) uint8
    """One image file, or an image that is open, at `sample_shape` (C, H, W). Raises DataError, naming the file."""
    channels, height, width = sample_shape
    name = (getattr(image, "filename", "") or "an image") if isinstance(image, Image.Image) else image
    try:
        if isinstance(image, Image.Image):
            whole = apply_exif(image)
        else:
            if not S_ISREG(image.stat().st_mode):  # a pipe would be waited for
                raise ValueError("no file that can be read from its start to its end")
            # opened here, not by Pillow: it maps plain TIFFs that it opens itself, and scrambles those that lie on their side
            with image.open("rb") as file, Image.open(file, formats=FORMATS) as opened:
                enough = 2 * max(height, width)  # a JPEG far larger than needed is read at 1/2, 1/4 or 1/8 of its size
                opened.draft(None, (enough, enough))
                whole = apply_exif(opened)
        pixels = np.asarray(cover_crop(convert_mode(whole, MODES[channels]), height, width))
    except UnidentifiedImageError:
        raise DataError(f"{name}: not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}") from error
    except Image.DecompressionBombError:
        raise DataError(f"{name}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; scale it down") from None
    except Exception as error:  # a broken file makes Pillow raise almost anything
        raise DataError(f"{name}: {' '.join(str(error).split()) or type(error).__name__}") from error
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def apply_exif(image: Image.Image) -> Image.Image:
    """Read the pixels and turn them as EXIF says."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # what can't be read of EXIF says nothing about the pixels
        return image.copy()


def convert_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in mode L, RGB or RGBA."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = to_eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode != "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    elif image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return image.convert(mode)


def to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey → 8-bit grey, with alpha if one of its values is transparent."""
    wide = np.asarray(image)
    if wide.dtype.kind == "f" or (wide.size and (wide.min() < 0 or wide.max() > 65535)):
        raise ValueError(f"its {image.mode} pixels are beyond 16 bits and have no scale; save it with 8 or 16 bits")
    grey = Image.fromarray(((wide.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(wide == key, 0, 255).astype(np.uint8)))
    return grey


def cover_crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale to cover height × width, and crop in the middle, both at once; an image of that size is left as it is."""
    scale = max(height / image.height, width / image.width)
    left = int(image.width * scale - width) // 2 / scale  # whole pixels of the result: cropping alone blurs nothing
    top = int(image.height * scale - height) // 2 / scale
    box = (left, top, min(left + width / scale, image.width), min(top + height / scale, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
