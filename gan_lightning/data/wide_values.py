"""Values of images with more than 8 bits: how they become bytes, and how far they reach.

byte = round(255 · clip((value − black) / (white − black), 0, 1))

`data.range` gives black and white. Without it they are 0 and 65535, and values beyond 16 bits are rejected, because their scale
is unknown. A camera's 12-bit values in 16-bit files are then almost black, so the largest value of all files is kept.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_lightning.data.base import DataError

SIXTEEN_BITS = 65535
DARK = SIXTEEN_BITS / 8  # a folder without any value above it is taken for one of fewer bits


class ValueRange(NamedTuple):
    """Hold the values that become black and white."""

    black: float
    white: float

    def __str__(self) -> str:
        return f"[{self.black:g},{self.white:g}]"


def require_value_range(values: tuple[float, ...] | list[float] | None) -> ValueRange | None:
    """Return `data.range` as a ValueRange. Raises DataError unless it is two finite numbers, the first below the second."""
    if values is None:
        return None
    if len(values) != 2 or not all(math.isfinite(value) for value in values) or values[0] >= values[1]:
        raise DataError(
            f"data.range: {list(values)} should be two numbers, the value that becomes black below the one that becomes white, "
            "such as [0,4095] for 12 bits; or null"
        )
    return ValueRange(*values)


class WideSummary(NamedTuple):
    """Count the images with more than 8 bits, and hold the smallest and the largest of their values."""

    images: int = 0
    smallest: float = math.inf
    largest: float = -math.inf

    def notice(self, root: Path, total: int, value_range: ValueRange | None) -> str | None:
        """Return one line if the range does not fit the values of the `total` images below `root`; None: it does."""
        if value_range is None:
            if not self.images or not 0 < self.largest < DARK:
                return None
            bits = int(self.largest).bit_length()
            return (
                f"data.root: {self.images:,} of {total:,} images in {root} have more than 8 bits, but no value above "
                f"{self.largest:g} of {SIXTEEN_BITS}, so they are almost black; if they have {bits} bits, "
                f"set data.range=[0,{2**bits - 1}]"
            )
        parts = []
        if self.images < total:
            parts.append(f"it does not apply to {total - self.images:,} of {total:,} images, which have 8 bits")
        if self.images and (self.smallest < value_range.black or self.largest > value_range.white):
            parts.append(f"values reach from {self.smallest:g} to {self.largest:g}, and those outside become black or white")
        return f"data.range: {value_range} in {root}: {'; '.join(parts)}" if parts else None


class WideValues:
    """Convert values with more than 8 bits to bytes by `value_range`, and keep a summary of them; threads may share it."""

    def __init__(self, value_range: ValueRange | None = None) -> None:
        self.value_range, self.summary = value_range, WideSummary()
        self._lock = threading.Lock()

    def note(self, smallest: float, largest: float) -> None:
        """Add an image whose values lie between these two to the summary."""
        with self._lock:
            images, low, high = self.summary
            self.summary = WideSummary(images + 1, min(low, smallest), max(high, largest))

    def to_bytes(self, values: np.ndarray, mode: str) -> np.ndarray:  # (H, W) or (H, W, C) -> the same shape, uint8
        """Convert one image's values; `mode` is its name in Pillow, for the message.

        Raises ValueError for NaN, and without a range for floats and values beyond 16 bits.
        """
        if self.value_range is None:
            if values.dtype.kind == "f" or values.min() < 0 or values.max() > SIXTEEN_BITS:
                raise ValueError(
                    f"its {mode} pixels are beyond 16 bits and have no scale; save it with 8 or 16 bits, "
                    "or give the values of black and white as data.range"
                )
            return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        if np.isnan(values.min()):
            raise ValueError(f"its {mode} pixels contain NaN; repair it")
        black, white = self.value_range
        scaled = (np.clip(values.astype(np.float64), black, white) - black) * (255 / (white - black))
        return np.rint(scaled).astype(np.uint8)
