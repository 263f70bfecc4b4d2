"""Single samples as files: an image as PNG, any other sample as a .npy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from gan_lightning.data import render
from gan_lightning.storage import atomic


def write_sample(sample: Tensor, path: Path, software: str) -> None:  # (*sample_shape)
    """Write one sample to `path` with the ending of its kind; a PNG file also names the `software`. Raises OSError."""
    if sample.dim() == 3:
        picture = render.encode_image(render.to_array(sample), ".png", software)
        atomic.write_bytes(path.with_suffix(".png"), picture, flushed=False)
    else:
        write_array(sample, path.with_suffix(".npy"))


def write_array(samples: Tensor, path: Path) -> None:  # (*shape)
    """Write a .npy file without a copy in memory. Raises OSError, whose cause `numpy.save` would hide."""
    array = np.ascontiguousarray(samples.numpy())
    with atomic.open_atomic(path, lambda: array.nbytes, flushed=False) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)
