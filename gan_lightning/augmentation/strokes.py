"""Small affine maps, and strokes that become thinner or thicker: handwriting keeps its meaning, and little else of its shape.

After the maps of `augmentation=affine`, each image is smoothed by the binomial filter (1, 2, 1) / 4 in both directions, and an
S-shaped curve with a random threshold t and slope s is applied to the values:

y = tanh(s · (x − t)), rescaled so that −1 stays −1 and 1 stays 1

A low threshold makes bright strokes on a dark ground thicker, a high one thinner. InfoGAN's head reads augmented samples; while
thickness can be read from them, the code stands for it rather than for the class, because it is the easier of the two
(docs/tricks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import conv2d, pad

from gan_lightning.augmentation.affine import Affine

SLOPES = (1.5, 4.0)
CENTRE = -0.1  # the threshold that keeps the mean brightness of MNIST at 16×16, 0.13 of white


class Strokes(Affine):
    """Map each image as `Affine` does, whose arguments `maps` are, and with probability p apply a threshold.

    It is drawn uniformly within CENTRE ± `thickness`.
    """

    def __init__(self, thickness: Annotated[float, Field(ge=0, le=0.7)] = 0.5, **maps: Any) -> None:
        super().__init__(**maps)
        self.thickness = thickness
        self.register_buffer("kernel", torch.tensor([1.0, 2.0, 1.0]) / 4, persistent=False)
        self.kernel: Tensor

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        if len(sample_shape) == 3 and min(sample_shape[1:]) < 2:
            return f"smooths over 3 pixels, and samples have shape {list(sample_shape)}"
        return super().incompatibility(sample_shape)

    def forward(self, x: Tensor) -> Tensor:
        mapped = super().forward(x)
        n, channels = x.shape[:2]

        def draw(low: float, high: float) -> Tensor:  # -> (N, 1, 1, 1)
            return low + (high - low) * torch.rand(n, 1, 1, 1, device=x.device)

        threshold, slope = draw(CENTRE - self.thickness, CENTRE + self.thickness), draw(*SLOPES)
        black, white = (torch.tanh(slope * (end - threshold)) for end in (-1.0, 1.0))
        changed = torch.tanh(slope * (self.smooth(mapped, channels) - threshold))
        changed = 2 * (changed - black) / (white - black) - 1
        applied = torch.rand(n, 1, 1, 1, device=x.device) < self.p
        return torch.where(applied, changed, mapped)

    def smooth(self, x: Tensor, channels: int) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        """Return images smoothed over three pixels in both directions, reflected at the borders."""
        kernel = (self.kernel[:, None] * self.kernel).expand(channels, 1, 3, 3)
        return conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)
