"""Image sizes that ×2 layers reach: the size of the smallest feature maps, and how often it is doubled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_CELLS = 256  # of the smallest maps; from more on, the layer before them outweighs all others
MAX_CHANNELS = 4  # of a sample that a generator draws; a discriminator's input has `packing` times as many
GOOD_SIDES = range(4, 9)  # the shorter side of the smallest maps in a size that is proposed


class Doubling(NamedTuple):
    """Hold the size of the smallest feature maps, `height` × `width`, and how often it is doubled."""

    height: int
    width: int
    times: int

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of the image."""
        return self.height << self.times, self.width << self.times

    def better_size(self) -> tuple[int, int] | None:
        """Return an image size near this one with far smaller maps, if these have over MAX_CELLS; None if there is none."""
        near = near_size(*self.size)
        if near is None or self.height * self.width <= MAX_CELLS:
            return None
        start = doubling(*near, least=4)  # as large as any model begins
        return near if 4 * start.height * start.width <= self.height * self.width else None


def near_size(height: int, width: int) -> tuple[int, int] | None:
    """Return the nearest image size that is doubled from maps with one of GOOD_SIDES; None if both sides are small."""
    starts = [(round(height / 2**times), round(width / 2**times), times) for times in range(1, 16)]
    sizes = [(h << times, w << times) for h, w, times in starts if min(h, w) in GOOD_SIDES]
    return min(sizes, key=lambda size: abs(size[0] - height) + abs(size[1] - width), default=None)


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
        near = near_size(height, width) or (max(2, round(height / 4) * 4), max(2, round(width / 4) * 4))
        cure = "both sides must be even; near it: {}×{}".format(*near)
        raise ValueError(f"{height}×{width} is not reached by doubling: {cure}")
    times = 1
    while height % 2 ** (times + 1) == width % 2 ** (times + 1) == 0 and min(height, width) >> (times + 1) >= least:
        times += 1
    return Doubling(height >> times, width >> times, times)


def doubled_widths(width: int, times: int, max_width: int) -> list[int]:
    """Return the number of maps at each of `times` + 1 sizes, from the sample inwards: `width`, doubled up to `max_width`."""
    return [min(width << i, max_width) for i in range(times + 1)]
