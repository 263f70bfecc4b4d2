"""SAGAN: SNGAN's residual networks with self-attention, and with spectral normalisation in both players (Zhang et al. 2019).

Attention is on the largest maps whose shorter side is at most `attention_size`: 32×32 in the paper, for 128×128; 0: nowhere.
All weights are normalised but those of the conditional batch normalisation, which start at 0. Sizes and conditions: those of
`sngan`. The paper trains with two learning rates, 0.0001 for G and 0.0004 for D, and the hinge loss (section 4).
"""

from __future__ import annotations

from gan_lightning.model import sngan
from gan_lightning.model.layer.attention import AttentionSize, SelfAttention, attention_level
from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm
from gan_lightning.model.layer.doubling import doubling, image_shape
from gan_lightning.model.layer.residual import widths
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.step.types import Count, NumClasses, Shape


class Generator(sngan.Generator):
    """Draw images from z by residual blocks with attention between two of them."""

    def __init__(
        self,
        latent_dim: Count,
        sample_shape: Shape,
        num_classes: NumClasses = 0,
        width: Count = 64,
        attention_size: AttentionSize = 32,
    ) -> None:
        super().__init__(latent_dim, sample_shape, num_classes, width)
        if attention_size:
            times = self.doubling.times
            level = attention_level(self.doubling.size, attention_size, times)
            self.blocks.insert(times - level, SelfAttention(widths(width, times).inwards[level]))
        normalize_spectra(self, skip=(ConditionalBatchNorm,))


class Discriminator(sngan.Discriminator):
    """Score each sample independently of the others in the batch, with attention between two blocks."""

    def __init__(
        self, sample_shape: Shape, num_classes: NumClasses = 0, width: Count = 64, attention_size: AttentionSize = 32
    ) -> None:
        super().__init__(sample_shape, num_classes, width)
        if attention_size:
            _, *size = image_shape(sample_shape)
            start = doubling(*size)
            level = attention_level(start.size, attention_size, start.times)
            self.blocks.insert(level, SelfAttention(widths(width, start.times).blocks[level - 1]))
        normalize_spectra(self)
