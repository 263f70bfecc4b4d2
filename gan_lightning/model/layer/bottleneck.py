"""Blocks of four convolutions with a quarter of the maps between them, of BigGAN-deep (Brock et al. 2019, appendix B).

G's block: four times batch normalisation, ReLU and a convolution, 1×1, 3×3, 3×3 and 1×1; its shortcut drops the channels that
are too many. D's block: the same without normalisation; its shortcut adds the channels that are too few by a 1×1 convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm

RATIO = 4  # of the maps of a block to those between its convolutions


class UpBottleneck(nn.Module):
    """Keep or double the size of the maps (`scale` 1 or 2), with at most as many outputs as inputs."""

    def __init__(self, inputs: int, outputs: int, condition_dim: int, scale: int) -> None:
        super().__init__()
        self.outputs, self.scale = outputs, scale
        hidden = max(1, inputs // RATIO)
        self.norms = nn.ModuleList(ConditionalBatchNorm(n, condition_dim) for n in (inputs, hidden, hidden, hidden))
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(inputs, hidden, 1),
                nn.Conv2d(hidden, hidden, 3, padding=1),
                nn.Conv2d(hidden, hidden, 3, padding=1),
                nn.Conv2d(hidden, outputs, 1),
            ]
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (N, inputs, H, W), (N, D) -> (N, outputs, scale H, scale W)
        h = x
        for i, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            h = norm(h, condition).relu()
            h = conv(self._enlarge(h) if i == 1 else h)
        return h + self._enlarge(x[:, : self.outputs])

    def _enlarge(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=self.scale) if self.scale > 1 else x


class DownBottleneck(nn.Module):
    """Keep or halve the size of the maps, with at least as many outputs as inputs."""

    def __init__(self, inputs: int, outputs: int, halve: bool) -> None:
        super().__init__()
        hidden = max(1, outputs // RATIO)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.layers = nn.Sequential(
            *(nn.ReLU(), nn.Conv2d(inputs, hidden, 1)),
            *(nn.ReLU(), nn.Conv2d(hidden, hidden, 3, padding=1)),
            *(nn.ReLU(), nn.Conv2d(hidden, hidden, 3, padding=1)),
            *(nn.ReLU(), self.pool, nn.Conv2d(hidden, outputs, 1)),
        )
        self.added = nn.Conv2d(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, H, W) -> (N, outputs, H / 2, W / 2) or (N, outputs, H, W)
        h: Tensor = self.layers(x)
        shortcut: Tensor = self.pool(x)
        return h + (shortcut if self.added is None else torch.cat([shortcut, self.added(shortcut)], 1))
