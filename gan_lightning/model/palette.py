"""Drawings in flat colours: every sample has a palette, and every pixel is a mixture of its colours.

    x = Σ_k m_k c_k,    masks m = softmax over k at each pixel,    colours c_k ∈ [-1, 1] for the whole sample

A generator of pixels has to repeat a change of colour in each of them; here it is one number. Shape and colour are separated,
as in layered models of images (Wang & Adelson 1994; Williams & Titsias 2004). The masks' logits are enlarged bilinearly before
the softmax, which keeps edges sharp at any scale, as thresholding a signed distance does.

G: two layers of 4 · `width` units with batch normalisation and LeakyReLU 0.2, then linear to `width` maps on a grid with cells
of 4×4 pixels, 3×3 convolution to as many, 3×3 convolution to the logits, by default at half size; the colours are linear in
the units and z. D: the pixels of each cell as channels, 3×3 convolution to `width` maps, 4 · `width` and 2 · `width` units,
LeakyReLU 0.2; linear with label projection. D has no normalisation, so that a gradient penalty applies to each sample
independently. Most of the work is done by dense layers, which are fast on a CPU.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size
from gan_lightning.model.layer.doubling import image_shape
from gan_lightning.step.types import Count, NumValues, Output, Shape

CELL = 4  # side in pixels


def cells(sample_shape: Shape) -> tuple[int, int, int]:
    """Return channels, rows and columns of cells.

    Raises ValueError if the shape is not that of an image, or if a side is not a multiple of CELL.
    """
    channels, height, width = image_shape(sample_shape)
    if height % CELL or width % CELL:
        near = "×".join(str(max(CELL, round(side / CELL) * CELL)) for side in (height, width))
        raise ValueError(f"{height}×{width} can't be cut into cells of {CELL}×{CELL}; near it: {near}")
    return channels, height // CELL, width // CELL


class Generator(nn.Module):
    """Mix colours by masks; 0.7 million parameters for coloured 32×32 and latent_dim 32, most from the units to the grid."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumValues = 0,
        width: Count = 48,
        colours: Count = 16,
        mask_pixel: Literal[1, 2, 4] = 2,
    ) -> None:
        """`mask_pixel`: side of a pixel of the masks before they are enlarged, in those of the sample; 1 draws finer detail."""
        super().__init__()
        channels, rows, columns = cells(sample_shape)
        self.num_classes = num_classes
        inputs, hidden = latent_dim + one_hot_size(num_classes), 4 * width
        layers: list[nn.Module] = []
        for size in (inputs, hidden):
            layers += [nn.Linear(size, hidden, bias=False), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2)]
        self.map = nn.Sequential(*layers)
        self.logits = nn.Sequential(
            *(nn.Linear(hidden, width * rows * columns, bias=False), nn.Unflatten(1, (width, rows, columns))),
            *(nn.BatchNorm2d(width), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(width, (CELL // mask_pixel) ** 2 * colours, 3, padding=1), nn.PixelShuffle(CELL // mask_pixel)),
            nn.Upsample(scale_factor=mask_pixel, mode="bilinear"),
        )
        self.palette = nn.Sequential(nn.Linear(hidden + inputs, colours * channels), nn.Unflatten(1, (colours, channels)))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        z = concat_class(z, condition, self.num_classes)
        units = self.map(z)
        masks = self.logits(units).softmax(1)
        colours = torch.tanh(self.palette(torch.cat([units, z], 1)))
        return torch.einsum("nkhw,nkc->nchw", masks, colours).clamp(-1, 1)  # a softmax sums to 1 only up to rounding


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; 0.6 million parameters for coloured 32×32."""

    def __init__(self, sample_shape: Shape, num_classes: NumValues = 0, width: Count = 48) -> None:
        super().__init__()
        channels, rows, columns = cells(sample_shape)
        self.num_features = 2 * width
        self.layers = nn.Sequential(
            *(nn.PixelUnshuffle(CELL), nn.Conv2d(channels * CELL**2, width, 3, padding=1), nn.LeakyReLU(0.2)),
            *(nn.Flatten(), nn.Linear(width * rows * columns, 4 * width), nn.LeakyReLU(0.2)),
            *(nn.Linear(4 * width, self.num_features), nn.LeakyReLU(0.2)),
        )
        self.head = Projection(self.num_features, num_classes)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        return self.head(self.layers(x), condition)
