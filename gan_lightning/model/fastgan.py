"""FastGAN: one convolution for each size, and skip-layer excitation across four sizes, for few images and little computation.

G: a transposed convolution from z to 4×4, then per doubling nearest ×2 and a 3×3 convolution, each with batch normalisation and
a gated linear unit; maps of 8×8 and 16×16 weigh the channels of those 16 times as large (`layer.skip_layer_excitation`); tanh.
D: a 4×4 convolution of stride 2, then blocks that halve the size on two paths, strided convolution and average pooling, down to
8×8; a 4×4 convolution gives a logit for each of 5×5 overlapping parts of the image, so K for each sample. Spectral and batch
normalisation. Liu et al. 2021, sections 3.1 and 3.2, section 4 for the spectral normalisation of the baseline.

Not here: D's decoders, which reconstruct real images (section 3.2), because they are a regularizer, not part of the logits; G's
spectral normalisation, which batch normalisation undoes. Smaller images have fewer sizes: excitation spans all of them but one.
With classes: one-hot label beside z, label projection of D's mean features (neither is in the paper, see `layer.condition`).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.condition import concat_class
from gan_lightning.model.layer.doubling import doubled_widths, doubling, image_shape
from gan_lightning.model.layer.normalized_convolution import normalized_convolution
from gan_lightning.model.layer.packed_condition import embed_classes
from gan_lightning.model.layer.skip_layer_excitation import SkipLayerExcitation
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.step.types import Count, NumClasses, Output, Shape

MAX_CHANNELS = 4  # of a sample; D's input has `packing` times as many
SPAN = 4  # doublings that an excitation skips
PART = 4  # side of the last convolution, in cells


def gated(convolution: nn.Module, width: int) -> list[nn.Module]:
    """Return a convolution to 2 · `width` maps with what follows it: batch normalisation and a gated linear unit."""
    return [convolution, nn.BatchNorm2d(2 * width), nn.GLU(1)]


class Generator(nn.Module):
    """Draw images from z; `width` maps at the sample's size, doubled per halving up to `max_width`."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 32,
        max_width: Count = 1024,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        maps = doubled_widths(width, times, max_width)[::-1]
        self.num_classes = num_classes
        start = nn.ConvTranspose2d(latent_dim + num_classes, 2 * maps[0], (h, w), bias=False)
        stages = [nn.Sequential(*gated(start, maps[0]))]
        for inputs, outputs in itertools.pairwise(maps):
            convolution = nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
            stages.append(nn.Sequential(nn.Upsample(scale_factor=2), *gated(convolution, outputs)))
        self.stages = nn.ModuleList(stages)
        self.span = min(SPAN, times - 1)
        self.excitations = nn.ModuleList(
            SkipLayerExcitation(maps[i], maps[i + self.span], (h, w), 2**i)
            for i in range(1, times + 1 - self.span)
            if self.span
        )
        self.image = nn.Conv2d(maps[-1], channels, 3, padding=1)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W) in [-1, 1]
        x = concat_class(z, condition, self.num_classes)[..., None, None]
        maps: list[Tensor] = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if self.span and i > self.span:
                x = self.excitations[i - self.span - 1](maps[i - self.span], x)
            maps.append(x)
        return torch.tanh(self.image(x))


class DiscriminatorBlock(nn.Module):
    """Halve the size of maps on two paths, and return the mean of both."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.strided = nn.Sequential(
            *normalized_convolution(inputs, outputs, 4, stride=2), *normalized_convolution(outputs, outputs, 3)
        )
        self.pooled = nn.Sequential(nn.AvgPool2d(2), *normalized_convolution(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs, 2H, 2W) -> (N, outputs, H, W)
        return (self.strided(x) + self.pooled(x)) / 2


class Discriminator(nn.Module):
    """Score parts of samples that are normalised by batch statistics: real and fake samples go in separate batches."""

    def __init__(self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 32, max_width: Count = 1024) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size, least=4)
        halvings = max(1, times - 1)  # twice the smallest size is left, 8×8 in the paper
        maps = doubled_widths(width, halvings, max_width)
        layers: list[nn.Module] = [nn.Conv2d(channels, maps[1], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        layers += [DiscriminatorBlock(maps[i], maps[i + 1]) for i in range(1, halvings)]
        last = self.num_features = maps[-1]
        self.layers = nn.Sequential(*layers, *normalized_convolution(last, last, 1))
        height, width = (side << (times - halvings) for side in (h, w))
        self.head = nn.Conv2d(last, 1, (min(PART, height), min(PART, width)))
        normalize_spectra(self)
        self.embedding = nn.Embedding(num_classes, last) if num_classes else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N, K), (N, F)
        """Return the logits of all parts, and the mean features. Raises ValueError without labels if there are classes."""
        maps = self.layers(x)
        features, logits = maps.mean((2, 3)), self.head(maps).flatten(1)
        if self.embedding is not None:
            embedded = embed_classes(self.embedding, condition, self.embedding.num_embeddings)
            logits = logits + (embedded * features).sum(1, keepdim=True)
        return Output(logits, features)
