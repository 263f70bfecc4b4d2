"""R3GAN: residual blocks of grouped convolutions and nothing else, for the relativistic loss with R1 and R2.

G: z (with the class's embedding) weighs learned 4×4 patterns, one for each map; at each size two residual blocks
(`layer.residual_bottleneck`), between sizes bilinear resampling, and a 1×1 convolution where the width changes; at the end one
to the image. D is its mirror image, and sums its last maps by one learned weight for each cell. No normalisation, no minibatch
statistics, no bias but in the activations. Huang et al. 2024, section 3, configuration E, and its appendix for the sizes.

The widths count from the sample inwards and double per halving up to `max_width`: 768 at each size of CIFAR-10 and FFHQ-64, and
96, 192, 384, 768, … for FFHQ-256. Any even height and width: 4×4 doubled if possible, 28×28 is 7×7 doubled twice.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from gan_lightning.model.layer.doubling import doubled_widths, doubling, image_shape
from gan_lightning.model.layer.image_range import ClipInEval
from gan_lightning.model.layer.packed_condition import embed_classes
from gan_lightning.model.layer.resample import Downsample, Upsample
from gan_lightning.model.layer.residual_bottleneck import ResidualBottleneck, scaled_convolution
from gan_lightning.step.types import Count, NumClasses, Output, Shape

MAX_CHANNELS = 4  # of a sample; D's input has `packing` times as many
EXPANSION = 2  # of the bottleneck's inner width
CORNERS = (1, 2, 1)  # taps of the resampling filter


def residual_blocks(width: int, number: int, total: int, group_width: int) -> list[nn.Module]:
    """Return the blocks of one size, their inner maps in groups of `group_width`, or more where that does not divide them."""
    inner = EXPANSION * width
    groups = next(n for n in range(max(1, inner // group_width), 0, -1) if inner % n == 0)
    return [ResidualBottleneck(width, inner, groups, total) for _ in range(number)]


def scaled_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer without bias; weights from N(0, 1 / inputs)."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs))
    return layer


def scaled_embedding(num_classes: int, outputs: int) -> nn.Embedding:
    """Return the embedding of classes that is a linear layer of one-hot labels; weights from N(0, 1 / num_classes)."""
    layer = nn.Embedding(num_classes, outputs)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(num_classes))
    return layer


class Generator(nn.Module):
    """Draw images from z; `width` maps at the sample's size, `blocks` residual blocks at each size."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 96,
        max_width: Count = 768,
        blocks: Count = 2,
        group_width: Count = 16,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape, MAX_CHANNELS)
        self.doubling = h, w, times = doubling(*size, least=4)
        maps, total = doubled_widths(width, times, max_width)[::-1], blocks * (times + 1)
        self.num_classes = num_classes
        self.embedding = scaled_embedding(num_classes, latent_dim) if num_classes else None
        self.weights = scaled_linear(latent_dim * (2 if num_classes else 1), maps[0])
        self.patterns = nn.Parameter(torch.randn(maps[0], h, w))
        layers = residual_blocks(maps[0], blocks, total, group_width)
        for inputs, outputs in itertools.pairwise(maps):
            layers += [scaled_convolution(inputs, outputs, 1)] if inputs != outputs else []
            layers += [Upsample(CORNERS), *residual_blocks(outputs, blocks, total, group_width)]
        self.layers = nn.Sequential(*layers, scaled_convolution(maps[-1], channels, 1), ClipInEval())

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:  # (N, Z), (N,) -> (N, C, H, W)
        if self.embedding is not None:
            z = torch.cat([z, embed_classes(self.embedding, condition, self.num_classes)], 1)
        return self.layers(self.weights(z)[..., None, None] * self.patterns)


class Discriminator(nn.Module):
    """Score each sample independently of the others in the batch; with classes by ⟨last layer, embedding of the class⟩."""

    def __init__(
        self,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 96,
        max_width: Count = 768,
        blocks: Count = 2,
        group_width: Count = 16,
    ) -> None:
        super().__init__()
        channels, *size = image_shape(sample_shape)
        h, w, times = doubling(*size, least=4)
        maps, total = doubled_widths(width, times, max_width), blocks * (times + 1)
        layers: list[nn.Module] = [scaled_convolution(channels, maps[0], 1)]
        for inputs, outputs in itertools.pairwise(maps):
            layers += [*residual_blocks(inputs, blocks, total, group_width), Downsample(CORNERS)]
            layers += [scaled_convolution(inputs, outputs, 1)] if inputs != outputs else []
        last = self.num_features = maps[-1]
        layers += residual_blocks(last, blocks, total, group_width)
        cells = nn.Conv2d(last, last, (h, w), groups=last, bias=False)  # weighs each cell of each map, and sums
        nn.init.normal_(cells.weight, std=1 / math.sqrt(h * w))
        self.layers = nn.Sequential(*layers, cells, nn.Flatten())
        self.num_classes = num_classes
        self.embedding = scaled_embedding(num_classes, last) if num_classes else None
        self.head = scaled_linear(last, last if num_classes else 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Output:  # (N, C, H, W), (N,) -> (N,), (N, F)
        features = self.layers(x)
        logits = self.head(features)
        if self.embedding is not None:
            logits = logits * embed_classes(self.embedding, condition, self.num_classes)
        return Output(logits.sum(1), features)
