"""Small random affine maps: images are turned, scaled, sheared and moved a little, but neither mirrored nor turned by quarters.

For images whose meaning changes when they are mirrored or turned far, such as digits, where ADA's geometry is wrong. Each map
is applied with probability p, so that the distribution of the data can be recovered (Karras et al. 2020b, section 3.1).

InfoGAN's head reads augmented samples. What the maps change, such as the slant of a digit, can then not be read from them, and
the code is used for something else, such as the class (compare Ojha et al. 2020, Elastic-InfoGAN, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.augmentation.warp import rotation, scaling, translation, warp


class Affine(Augmentation):
    """Map each image with probability `p`.

    Drawn uniformly are a rotation within ±`degrees`, a horizontal shear within ±`shear` (columns per row), scales of width and
    height within 2^±`octaves`, and a shift within ±`shift` of the side.
    """

    def __init__(
        self,
        degrees: Annotated[float, Field(ge=0, le=180)] = 15.0,
        shear: Annotated[float, Field(ge=0, le=2)] = 0.3,
        octaves: Annotated[float, Field(ge=0, le=2)] = 0.3,
        shift: Annotated[float, Field(ge=0, lt=1)] = 0.08,
        p: Annotated[float, Field(ge=0, le=1)] = 0.8,
    ) -> None:
        super().__init__()
        self.degrees, self.shear, self.octaves, self.shift, self.p = degrees, shear, octaves, shift, p

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return None if len(sample_shape) == 3 else f"changes images (C, H, W), and samples have shape {list(sample_shape)}"

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        applied = (torch.rand(len(x), device=x.device) < self.p).float()

        def draw(bound: float) -> Tensor:  # -> (N,) in [−bound, bound), 0 where nothing is applied
            return (2 * torch.rand(len(x), device=x.device) - 1) * bound * applied

        sheared = torch.eye(3, device=x.device).repeat(len(x), 1, 1)
        sheared[:, 0, 1] = draw(self.shear)
        product = (
            rotation(draw(math.radians(self.degrees))) @ sheared @ scaling(2 ** draw(self.octaves), 2 ** draw(self.octaves))
        )
        return warp(x, product @ translation(width * draw(self.shift), height * draw(self.shift)))

    def probability(self) -> Tensor:  # -> ()
        return torch.tensor(self.p)
