"""StyleGAN2: a mapping network's styles modulate the convolutions of a generator that begins with a learned constant.

G: z → w (`layer.mapping`); at each size two modulated convolutions with noise for each pixel, bias and LeakyReLU, and a layer
that turns their maps into an image, which is added to the enlarged image of the size before (skip connections). D: residual
blocks, the minibatch standard deviation, two dense layers. Learning rates are equalized, and sizes change through a low-pass
filter. Karras et al. 2020, figures 2 and 7, configuration F. With `residual` false, 2 layers of mapping and no mixing of styles
it is the network that ADA uses for CIFAR-10 (Karras et al. 2020b, its appendix). Any even height and width: 4×4 doubled if
possible, 28×28 is 7×7 doubled twice.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from gan_lightning.model.layer.doubling import Doubling, doubled_widths, doubling, image_shape
from gan_lightning.model.layer.equalized import EqualizedConv2d, EqualizedLinear
from gan_lightning.model.layer.image_range import ClipInEval
from gan_lightning.model.layer.mapping import Mapping
from gan_lightning.model.layer.minibatch_stddev import MinibatchStandardDeviation
from gan_lightning.model.layer.modulated_convolution import ModulatedConvolution
from gan_lightning.model.layer.packed_condition import embed_classes
from gan_lightning.model.layer.resample import Blur, Downsample, Upsample
from gan_lightning.model.layer.scaled_leaky_relu import ScaledLeakyReLU
from gan_lightning.step.types import Count, NumClasses, Output, Shape

MAX_CHANNELS = 4  # of a sample; D's input has `packing` times as many
MEAN_DECAY = 0.995  # of the running mean of w, per batch

Probability = Annotated[float, Field(ge=0, le=1)]


class SynthesisLayer(nn.Module):
    """Convolve by a style, and add noise of a learned strength: drawn in training, always the same in eval mode."""

    noise: Tensor  # (1, 1, H', W'), that of eval mode

    def __init__(self, inputs: int, outputs: int, style_dim: int, size: tuple[int, int], upsample: bool) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(inputs, outputs, 3, style_dim, upsample=upsample)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.register_buffer("noise", torch.randn(1, 1, *size))
        self.activation = ScaledLeakyReLU()

    def forward(self, x: Tensor, style: Tensor) -> Tensor:  # (N, inputs, H, W), (N, style_dim) -> (N, outputs, H', W')
        x = self.convolution(x, style)
        noise = torch.randn_like(x[:, :1]) if self.training else self.noise.to(x.dtype)
        return self.activation(x + noise * self.noise_strength + self.bias)


class ToImage(nn.Module):
    """Turn maps into an image by a modulated 1×1 convolution without demodulation."""

    def __init__(self, inputs: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(inputs, channels, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:  # (N, inputs, H, W), (N, style_dim) -> (N, channels, H, W)
        return self.convolution(x, style) + self.bias


class Synthesis(nn.Module):
    """Draw images from `num_styles` styles."""

    def __init__(self, channels: int, start: Doubling, maps: list[int], style_dim: int) -> None:
        super().__init__()
        h, w, times = start
        self.num_styles = 2 * times + 2  # one for each layer, and one for the last image
        self.constant = nn.Parameter(torch.randn(maps[0], h, w))
        layers = [SynthesisLayer(maps[0], maps[0], style_dim, (h, w), upsample=False)]
        for i in range(times):
            size = h << (i + 1), w << (i + 1)
            layers.append(SynthesisLayer(maps[i], maps[i + 1], style_dim, size, upsample=True))
            layers.append(SynthesisLayer(maps[i + 1], maps[i + 1], style_dim, size, upsample=False))
        self.layers = nn.ModuleList(layers)
        self.images = nn.ModuleList(ToImage(width, channels, style_dim) for width in maps)
        self.upsample, self.clip = Upsample(), ClipInEval()

    def forward(self, w: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, num_styles, style_dim) -> (N, C, H, W)
        styles = w.unbind(1)
        x = self.layers[0](self.constant.expand(w.shape[0], -1, -1, -1), styles[0])
        image = self.images[0](x, styles[1])
        for i in range(1, len(self.images)):  # the style of a size's image is that of the next size's first layer
            x = self.layers[2 * i - 1](x, styles[2 * i - 1])
            x = self.layers[2 * i](x, styles[2 * i])
            image = self.upsample(image) + self.images[i](x, styles[2 * i + 1])
        return self.clip(image)


class Generator(nn.Module):
    """Draw images by `synthesis` from w = `mapping`(z, condition).

    `width` is the number of maps at the sample's size, doubled per halving up to `max_width`: 64 in the paper's network for
    256×256, 32 for 1024×1024. `mixing` is the share of samples whose layers take their styles from two z in training, the
    second one Gaussian. `w_mean` is the running mean of w, in checkpoints that of rank 0,
    for a truncation of w, which gan-sample does not have yet.
    """

    w_mean: Tensor  # (style_dim,)

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 64,
        max_width: Count = 512,
        style_dim: Count = 512,
        mapping_depth: Count = 8,
        mixing: Probability = 0.9,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = doubling(*size, least=4)
        maps = doubled_widths(width, self.doubling.times, max_width)[::-1]
        self.mixing = mixing
        self.synthesis = Synthesis(channels, self.doubling, maps, style_dim)
        self.mapping = Mapping(latent_dim, num_classes, style_dim, mapping_depth, self.synthesis.num_styles)
        self.register_buffer("w_mean", torch.zeros(style_dim))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W)
        w = self.mapping(z, condition)
        if not self.training:
            return self.synthesis(w)
        with torch.no_grad():
            self.w_mean.lerp_(w[:, 0].float().mean(0), 1 - MEAN_DECAY)
        return self.synthesis(self.mix(w, self.mapping(torch.randn_like(z), condition)) if self.mixing else w)

    def mix(self, w: Tensor, other: Tensor) -> Tensor:  # (N, num_styles, style_dim) each
        """Return w up to a random layer and `other` from it on, in a share of `mixing` of the samples.

        Karras et al. 2019, section 3.1. The numbers are drawn on the device, and both branches are computed: no host sync.
        """
        n, layers = len(w), self.synthesis.num_styles
        crossover = torch.randint(1, layers, (n, 1), device=w.device)
        chosen = torch.rand(n, 1, device=w.device) < self.mixing
        takes_other = chosen & (torch.arange(layers, device=w.device) >= crossover)  # (N, num_styles)
        return torch.where(takes_other.unsqueeze(2), other, w)


class DiscriminatorBlock(nn.Module):
    """Halve the size of maps by two convolutions, in a residual block by way of a skip connection too."""

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *(EqualizedConv2d(inputs, inputs, 3), ScaledLeakyReLU()),
            *(Blur(padding=2), EqualizedConv2d(inputs, outputs, 3, stride=2, padding=0), ScaledLeakyReLU()),
        )
        self.skip = nn.Sequential(Downsample(), EqualizedConv2d(inputs, outputs, 1, bias=False)) if residual else None

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, 2H, 2W) -> (N, outputs, H, W)
        return self.main(x) if self.skip is None else (self.main(x) + self.skip(x)) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Score samples by themselves and by their group's minibatch standard deviation: `minibatch_group` must divide the batch.

    With classes the logit is ⟨last layer, style of the class⟩ / √`style_dim`, the style by a mapping network of its own.
    """

    def __init__(
        self,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 64,
        max_width: Count = 512,
        style_dim: Count = 512,
        mapping_depth: Count = 8,
        minibatch_group: Count = 4,
        residual: bool = True,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size, least=4)
        maps = doubled_widths(width, times, max_width)
        layers: list[nn.Module] = [EqualizedConv2d(channels, maps[0], 1), ScaledLeakyReLU()]
        layers += [DiscriminatorBlock(maps[i], maps[i + 1], residual) for i in range(times)]
        last = self.num_features = maps[-1]
        layers += [MinibatchStandardDeviation(minibatch_group), EqualizedConv2d(last + 1, last, 3), ScaledLeakyReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), EqualizedLinear(last * h * w, last), ScaledLeakyReLU())
        self.num_classes = num_classes
        self.mapping = Mapping(0, num_classes, style_dim, mapping_depth) if num_classes else None
        self.head = EqualizedLinear(last, style_dim if num_classes else 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        features = self.layers(x)
        logits = self.head(features)
        if self.mapping is not None:
            logits = logits * embed_classes(self.mapping.style_of, condition, self.num_classes) / math.sqrt(logits.shape[1])
        return Output(logits.sum(1), features)
