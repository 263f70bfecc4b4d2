"""Frozen random mixing of features across channels and scales, so that D can't rely on a few of them alone.

    across channels: c_l = 1×1 convolution of the maps l;    across scales, from coarse to fine: m_l = 3×3(c_l + up(m_{l+1}))

All weights are drawn once by He's rule and stay. The coarse features of a classifier are far from the pixels; mixed into the
fine ones they take part in every discriminator. Sauer et al. 2021, section 3.2, figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gan_lightning.model.layer.resample import Upsample


class RandomMixing(nn.Module):
    """Mix maps of several scales, each half as large as the one before, without changing their sizes or numbers."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.channels = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for width in widths)
        # a finer scale's number of channels, so that its maps can be added
        outputs = [widths[0], *widths[:-1]]
        self.scales = nn.ModuleList(
            nn.Conv2d(width, output, 3, padding=1, bias=False) for width, output in zip(widths, outputs, strict=True)
        )
        self.upsample = Upsample()
        for layer in (*self.channels, *self.scales):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        self.widths = outputs
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:  # (N, widths[i], H / 2ⁱ, W / 2ⁱ) each -> (N, self.widths[i], …)
        mixed: list[Tensor] = []
        for x, channels, scales in zip(reversed(maps), reversed(self.channels), reversed(self.scales), strict=True):
            x = channels(x)
            mixed.append(scales(x + self.upsample(mixed[-1]) if mixed else x))
        return mixed[::-1]
