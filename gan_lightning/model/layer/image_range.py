"""The range of images that a linear layer draws: free in training, clipped to [-1, 1] in eval mode."""

from __future__ import annotations

from torch import Tensor, nn


class ClipInEval(nn.Module):
    """Clip images to [-1, 1], the range of real ones, in eval mode only.

    The papers of StyleGAN2 and R3GAN end linearly. In training D sees the values as they are, because a clip has no gradient
    where it acts; drawn samples are compared with real ones, written and exported, and have their range.
    """

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return x if self.training else x.clamp(-1, 1)
