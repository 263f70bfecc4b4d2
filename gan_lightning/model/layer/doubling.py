"""Image sizes that ×2 layers reach: the size of the smallest feature maps, and how often it is doubled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Doubling(NamedTuple):
    """Hold the size of the smallest feature maps, `height` × `width`, and how often it is doubled."""

    height: int
    width: int
    times: int


def image_shape(sample_shape: Sequence[int], max_channels: int | None = None) -> tuple[int, int, int]:
    """Return channels, height and width.

    Raises ValueError if the shape has not three dimensions, or more than `max_channels` channels.
    """
    if len(sample_shape) != 3:
        raise ValueError(f"{list(sample_shape)} is no image; a convolutional network needs (channels, height, width)")
    channels, height, width = sample_shape
    if max_channels is not None and channels > max_channels:
        raise ValueError(f"{channels} channels are too many; allowed: 1 to {max_channels}")
    return channels, height, width


def doubling(height: int, width: int, *, least: int = 3) -> Doubling:
    """Return as many doublings as leave both sides of the smallest maps at least `least`, but at least one.

    Raises ValueError if a side is odd.
    """
    if height % 2 or width % 2:
        near = f"{max(2, round(height / 4) * 4)}×{max(2, round(width / 4) * 4)}"
        raise ValueError(f"{height}×{width} is not reached by doubling: both sides must be even; near it: {near}")
    times = 1
    while height % 2 ** (times + 1) == width % 2 ** (times + 1) == 0 and min(height, width) >> (times + 1) >= least:
        times += 1
    return Doubling(height >> times, width >> times, times)
