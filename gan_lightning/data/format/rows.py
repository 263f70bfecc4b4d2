"""Samples as rows of numbers: one line of a .csv file each, which `data=array` reads again."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from torch import Tensor


def encode_rows(samples: Tensor, names: Iterable[str]) -> bytes:  # (N, *sample_shape)
    """Return a .csv file with a row for each sample, its values one after another, below the `names` of the columns."""
    buffer = io.StringIO()
    rows = samples.detach().float().cpu().flatten(1).numpy()
    np.savetxt(buffer, rows, fmt="%.9g", delimiter=",", header=",".join(names), comments="")
    return buffer.getvalue().encode()
