"""Affine warps of images: their matrices, and sampling that can be differentiated twice.

Coordinates are in pixels from the image's centre, x to the right and y down. A matrix (N, 3, 3) maps a point of the warped
image to the point of the original that is shown there, so factors of a product are in the order in which the image is changed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def translation(x: Tensor, y: Tensor) -> Tensor:  # (N,), (N,) in pixels -> (N, 3, 3)
    """Return the matrices that move images by x to the right and y down."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _matrices(one, zero, -x, zero, one, -y)


def scaling(x: Tensor, y: Tensor) -> Tensor:  # (N,), (N,) -> (N, 3, 3)
    """Return the matrices that enlarge images by these factors; −1 flips them."""
    zero = torch.zeros_like(x)
    return _matrices(1 / x, zero, zero, zero, 1 / y, zero)


def rotation(angle: Tensor) -> Tensor:  # (N,) in radians -> (N, 3, 3)
    """Return the matrices that turn images clockwise."""
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _matrices(cos, sin, zero, -sin, cos, zero)


def _matrices(*rows: Tensor) -> Tensor:  # 6 × (N,) -> (N, 3, 3)
    zero, one = torch.zeros_like(rows[0]), torch.ones_like(rows[0])
    return torch.stack([*rows, zero, zero, one], 1).view(-1, 3, 3)


def warp(x: Tensor, matrices: Tensor) -> Tensor:  # (N, C, H, W), (N, 3, 3) -> (N, C, H, W)
    """Return the warped images: bilinear, reflected at the borders."""
    height, width = x.shape[2:]
    (a, b, c), (d, e, f) = (matrices[:, row].unbind(1) for row in (0, 1))
    rows = [a, b * (height / width), c * (2 / width)], [d * (width / height), e, f * (2 / height)]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)  # in units of half the image's width and height
    return _Sample.apply(x, affine_grid(theta, list(x.shape), align_corners=False))


class _Sample(torch.autograd.Function):
    """Sample images at a grid. It is linear in the images, and so is its gradient, whose gradient torch does not define."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return grid_sample(x, grid.to(x.dtype), padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _SampleGradient.apply(gradients[0], ctx.saved_tensors[0], ctx.shape), None


class _SampleGradient(torch.autograd.Function):
    """Distribute a gradient of sampled images over the pixels that they were sampled from."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = gradient.new_zeros(shape)  # the gradient does not depend on them
        bilinear, reflection = 0, 2
        backward = torch.ops.aten.grid_sampler_2d_backward
        (found, _) = backward(gradient, images, grid.to(gradient.dtype), bilinear, reflection, False, [True, False])
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Sample.apply(gradients[0], ctx.saved_tensors[0]), None, None
