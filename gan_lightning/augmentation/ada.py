"""ADA, adaptive discriminator augmentation: each transform is applied with probability p, which follows D's overfitting.

    r = E[sign(D(real))]    p ← p ± interval · images per step / `speed_kimg`, up where r > `target`, within [0, 1]

Karras et al. 2020b, section 3 and appendix B: pixel blitting, geometric and colour transforms ("bgc"). As each is skipped with
probability 1 − p, the distribution of the data can be recovered from the augmented one, and none leaks into G's samples as long
as p is below about 0.8. Images are sampled bilinearly, without the paper's wavelet filters. They have any number of channels:
luma is their mean, and the hue is turned only where there are three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.augmentation.warp import rotation, scaling, translation, warp
from gan_lightning.step.types import Count

Probability = Annotated[float, Field(ge=0, le=1)]


class ADA(Augmentation):
    """Apply the transforms with probability `p`, a buffer that is part of a checkpoint.

    `speed_kimg` is the number of thousands of real images in which p can rise from 0 to 1; p is adapted every `interval` steps.
    Counted are the logits of D's last update in a step: with packing, or several updates of D, p moves more slowly.
    """

    reads_sign: ClassVar[bool] = True
    p: Tensor  # ()
    signs: Tensor  # (), sum of the means of sign(D(real)) since p was adapted
    steps: Tensor  # (), number of steps since then
    quarter_turn: Tensor  # (3, 3), of red, green and blue around the grey axis

    def __init__(
        self,
        target: Annotated[float, Field(ge=-1, le=1)] = 0.6,
        speed_kimg: Annotated[float, Field(gt=0)] = 500.0,
        interval: Count = 4,
        initial_p: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.target, self.speed_kimg, self.interval = target, speed_kimg, interval
        for name, value in (("p", initial_p), ("signs", 0.0), ("steps", 0.0)):
            self.register_buffer(name, torch.tensor(float(value)))
        turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
        self.register_buffer("quarter_turn", turn, persistent=False)

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return None if len(sample_shape) == 3 else f"changes images (C, H, W), and samples have shape {list(sample_shape)}"

    def forward(self, x: Tensor) -> Tensor:
        return self.change_colours(warp(x, self.draw_geometry(x)))

    def probability(self) -> Tensor:  # -> ()
        return self.p

    def update(self, real_logits: Tensor) -> None:
        self.signs += real_logits.sign().mean()
        self.steps += 1
        due = self.steps >= self.interval
        change = self.interval * len(real_logits) / (1000 * self.speed_kimg)
        adapted = (self.p + change * (self.signs / self.steps - self.target).sign()).clamp(0, 1)
        self.p.copy_(torch.where(due, adapted, self.p))
        for buffer in (self.signs, self.steps):
            buffer.mul_(~due)

    def draw_geometry(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 3, 3)
        """Return the product of the geometric transforms, each drawn with probability p for each image."""
        n, (height, width) = len(x), x.shape[2:]
        p, p_rotation = self.p, 1 - (1 - self.p).sqrt()  # one of two rotations is applied with probability p
        draw = _Draw(n, x.device)
        quarter = (math.pi / 2) * draw.where(p, draw.integer(4), 0)
        if height != width:
            quarter = quarter * 2  # only half turns keep the shape
        flips = draw.where(p, 1 - 2 * draw.integer(2), 1)
        blit = draw.where(p, torch.stack([(size * draw.uniform(0.125)).round() for size in (width, height)]), 0)
        zoom, stretch = (draw.where(p, 2 ** (0.2 * draw.normal()), 1) for _ in range(2))
        before, after = (draw.where(p_rotation, draw.uniform(math.pi), 0) for _ in range(2))
        shift = draw.where(p, torch.stack([size * 0.125 * draw.normal() for size in (width, height)]), 0)
        parts = [scaling(flips, torch.ones_like(flips)), rotation(quarter), translation(*blit), scaling(zoom, zoom)]
        parts += [rotation(before), scaling(stretch, 1 / stretch), rotation(after), translation(*shift)]
        product = parts[0]
        for part in parts[1:]:
            product = product @ part
        return product.to(x.dtype)

    def change_colours(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        """Change brightness, contrast, luma, hue and saturation, each with probability p for each image."""
        n, channels = x.shape[:2]
        draw, p = _Draw(n, x.device), self.p
        brightness, contrast = draw.where(p, 0.2 * draw.normal(), 0), draw.where(p, 2 ** (0.5 * draw.normal()), 1)
        luma_flip, angle = draw.where(p, 2 * draw.integer(2), 0), draw.where(p, draw.uniform(math.pi), 0)
        saturation = draw.where(p, 2 ** draw.normal(), 1)
        luma = torch.full((channels, channels), 1 / channels, device=x.device)  # the projection on the grey axis
        chroma = torch.eye(channels, device=x.device) - luma
        colours = chroma.expand(n, -1, -1)
        if channels == 3:  # Rodrigues' formula around the grey axis
            colours = angle.cos().view(-1, 1, 1) * chroma + angle.sin().view(-1, 1, 1) * self.quarter_turn
        matrix = saturation.view(-1, 1, 1) * colours + (1 - luma_flip).view(-1, 1, 1) * luma
        offset = (1 - luma_flip) * contrast * brightness
        matrix = (contrast.view(-1, 1, 1) * matrix).to(x.dtype)
        return torch.einsum("nij,njhw->nihw", matrix, x) + offset.view(-1, 1, 1, 1).to(x.dtype)


class _Draw:
    """Draw one random number per image."""

    def __init__(self, n: int, device: torch.device) -> None:
        self.n, self.device = n, device

    def uniform(self, bound: float) -> Tensor:  # -> (N,) in [−bound, bound)
        return (2 * torch.rand(self.n, device=self.device) - 1) * bound

    def normal(self) -> Tensor:  # -> (N,)
        return torch.randn(self.n, device=self.device)

    def integer(self, end: int) -> Tensor:  # -> (N,) of 0, …, end − 1
        return torch.randint(end, (self.n,), device=self.device).float()

    def where(self, p: Tensor, value: Tensor, otherwise: float) -> Tensor:  # (), (…, N) -> (…, N)
        """Return an image's values with probability p, otherwise what changes nothing."""
        return torch.where(torch.rand(self.n, device=self.device) < p, value, otherwise)
