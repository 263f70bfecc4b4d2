"""Arrays as .npy files, without a second copy in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from gan_lightning.storage import atomic


def write_array(samples: Tensor, path: Path) -> None:  # (*shape)
    """Write a .npy file without a copy in memory. Raises OSError, whose cause `numpy.save` would hide."""
    array = np.ascontiguousarray(samples.numpy())
    with atomic.open_atomic(path, lambda: array.nbytes, flushed=False) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)
