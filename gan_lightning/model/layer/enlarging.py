"""Bilinear enlarging of images to any size, by one matrix for the rows and one for the columns.

`torch.nn.functional.interpolate` gives the same values, but adds up its gradient on a GPU in no fixed order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Enlarging(nn.Module):
    """Enlarge images of one size to another one."""

    rows: Tensor  # (height of the output, height of the input)
    columns: Tensor  # (width of the input, width of the output)

    def __init__(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = (
            interpolate(torch.eye(before)[None], after, mode="linear", align_corners=False)[0]
            for before, after in zip(size, target, strict=True)
        )
        self.register_buffer("rows", rows.T.contiguous(), persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H', W')
        return self.rows.to(x.dtype) @ x @ self.columns.to(x.dtype)
