"""The format of samples of which only the shape is known."""

from __future__ import annotations

from collections.abc import Sequence

from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.image import Images
from gan_lightning.data.format.points import Points
from gan_lightning.data.format.signals import Signals


def format_by_shape(sample_shape: Sequence[int]) -> SampleFormat:
    """Return the format of images (C, H, W), signals (C, T) or points (D,)."""
    return {3: Images, 2: Signals}.get(len(sample_shape), Points)()
