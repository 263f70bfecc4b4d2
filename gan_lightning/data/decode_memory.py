"""The memory that decoding may take: images wait until the sum of their estimated bytes is within a budget.

An image just under the limit of pixels takes gigabytes, and as many are decoded at once as there are threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from gan_lightning.storage.memory import machine_memory

DEFAULT_MEMORY = 2**33  # bytes, where the system does not say
SHARE = 0.25  # of the memory of this machine or of this process's control group
DECODER_BYTES = {"WEBP": 4, "AVIF": 4, "JPEG2000": 8}  # a pixel in the decoder's own buffers, beside Pillow's image
PROGRESSIVE_BYTES = 6  # a pixel of a progressive JPEG: all coefficients of the full size, 2 bytes in each of 3 channels
CONVERTED_BYTES = 4  # a pixel of the image in the mode of the samples, and of the background of a transparent one
WIDE_BYTES = 8  # a pixel with more than 8 bits, while it is converted


class MemoryBudget:
    """Admit images while the sum of their bytes is at most `limit`; a larger image is decoded alone."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free, and use them in this block."""
        size = min(size, self.limit)
        with self._changed:
            self._changed.wait_for(lambda: self.used + size <= self.limit)
            self.used += size
        try:
            yield
        finally:
            with self._changed:
                self.used -= size
                self._changed.notify_all()


def estimate_bytes(image: Image.Image, full_size: tuple[int, int]) -> int:
    """Return about how many bytes an opened image takes while it is decoded.

    `full_size` (W, H) is its size in the file; `image.size` is smaller for a JPEG that is decoded at a fraction of it.
    """
    width, height = image.size
    pixel = 1 if image.mode in ("1", "L", "P") else 4
    pixel = 2 * pixel + CONVERTED_BYTES + DECODER_BYTES.get(image.format or "", 0)  # twice: as stored, and upright
    if image.has_transparency_data:
        pixel += CONVERTED_BYTES
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        pixel += WIDE_BYTES
    progressive = PROGRESSIVE_BYTES * full_size[0] * full_size[1] if image.info.get("progressive") else 0
    return width * height * pixel + progressive


def default_budget() -> MemoryBudget:
    """Return a budget of SHARE of the memory that this process may use."""
    return MemoryBudget(int(SHARE * (machine_memory() or DEFAULT_MEMORY)))
