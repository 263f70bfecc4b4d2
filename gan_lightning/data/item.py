"""The items of a user's own data set: their forms, and the conversion of each to a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_lightning.data.base import DataError
from gan_lightning.data.decode import decode, require_image_shape

SAMPLE_KEYS = ("image", "x", "real")
LABEL_KEYS = ("label", "y", "labels")
Range = tuple[float, float]  # the values that become −1 and 1


def split_item(item: Any, name: str) -> tuple[Any, Any]:
    """Split an item into sample and label; the label is None if the item has none.

    Raises DataError for an item of another form.
    """
    if isinstance(item, Mapping):
        sample_keys = [key for key in SAMPLE_KEYS if key in item]
        if not sample_keys:
            raise DataError(f"{name} has the keys {', '.join(map(repr, item))}; its sample must be 'image', 'x' or 'real'")
        return item[sample_keys[0]], next((item[key] for key in LABEL_KEYS if key in item), None)
    if isinstance(item, tuple | list):
        if len(item) not in (1, 2):
            raise DataError(f"{name} is a {type(item).__name__} of {len(item)}; allowed: x, (x, y) or a mapping")
        return item[0], item[1] if len(item) == 2 else None
    return item, None


def to_sample(x: Any, sample_shape: tuple[int, ...], name: str, limits: Range | None = None) -> Tensor:
    # -> (*sample_shape) float32
    """Convert an image, array or tensor to a sample; uint8 is scaled to [-1, 1], and floats are if they have `limits`.

    Raises DataError if the type or the shape does not fit.
    """
    if isinstance(x, Image.Image):
        require_image_shape(sample_shape)
        try:
            x = decode(x, sample_shape)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
    if isinstance(x, np.ndarray) and x.dtype.kind in "buif":
        x = torch.from_numpy(np.array(x, order="C"))  # a copy: the original may be read-only
    if not isinstance(x, Tensor) or not (x.dtype == torch.uint8 or x.is_floating_point()):
        kind = f"of {x.dtype}" if isinstance(x, Tensor | np.ndarray) else f"a {type(x).__name__}"
        raise DataError(f"{name} is {kind}; allowed: a PIL image, or an array or tensor of uint8 or floats")
    x = x.detach()
    candidates = layouts(x) if x.dtype == torch.uint8 else [x]
    sample = next((candidate for candidate in candidates if tuple(candidate.shape) == sample_shape), None)
    if sample is None:
        raise DataError(
            f"{name} has the shape {list(x.shape)}, but data.sample_shape is {list(sample_shape)}; "
            "a PIL image is resized to it, floats and uint8 are not"
        )
    if x.dtype == torch.uint8:
        return sample.float().div(127.5).sub(1)
    return sample.float() if limits is None else to_unit_range(sample.float(), limits)


def to_unit_range(x: Tensor, limits: Range) -> Tensor:  # (…) -> (…)
    """Map the values `limits` (lowest, highest) to −1 and 1."""
    low, high = limits
    return (x - low) * (2 / (high - low)) - 1


def is_float(x: Any) -> bool:
    """Return whether a sample's values are floats, which have no range of their own, unlike those of bytes and images."""
    return x.is_floating_point() if isinstance(x, Tensor) else isinstance(x, np.ndarray) and x.dtype.kind == "f"


def layouts(x: Tensor) -> Iterator[Tensor]:  # (C, H, W), (H, W, C) or (H, W)
    """Yield the tensor, then with its last dimension moved to the front, or with a channel dimension added."""
    yield x
    if x.dim() == 3:
        yield x.permute(2, 0, 1)
    if x.dim() == 2:
        yield x.unsqueeze(0)
