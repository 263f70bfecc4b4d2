"""The modulated convolution of StyleGAN2: each sample's style scales the input maps, and demodulation normalises the output.

    s = affine(style),    weight'_oikl = s_i · weight_oikl,    weight''_oikl = weight'_oikl / √(Σ_ikl weight'_oikl² + ε)

Demodulation takes the scale of the styles out of the output's expected variance without looking at the maps themselves, so that
it leaves no droplet-shaped artefacts as instance normalisation does. Karras et al. 2020, eq. 1 and 3. Because both scales are
constant over a map, they are applied to the input and output of one convolution with the same weights for all samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from gan_lightning.model.layer.equalized import EqualizedLinear
from gan_lightning.model.layer.resample import Blur

EPSILON = 1e-8


class ModulatedConvolution(nn.Module):
    """Convolve maps by weights that a style modulates; `upsample` doubles the maps' size before."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        style_dim: int,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style_dim, inputs, bias_start=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.padding, self.demodulate = kernel_size // 2, demodulate
        self.blur = Blur(padding=1, gain=4) if upsample else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:  # (N, inputs, H, W), (N, style_dim) -> (N, outputs, H, W)
        scales, weight = self.affine(style), self.weight / math.sqrt(self.weight[0].numel())
        x = x * scales[..., None, None]
        if self.blur is not None:  # a transposed convolution of stride 2 draws values apart, and the blur fills the gaps
            x = self.blur(conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        else:
            x = conv2d(x, weight, padding=self.padding)
        if self.demodulate:
            variance = scales.square() @ weight.square().sum((2, 3)).T  # (N, outputs)
            x = x * (variance + EPSILON).rsqrt()[..., None, None]
        return x
