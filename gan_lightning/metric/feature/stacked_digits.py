"""The digits' classifier applied to each channel of an image that stacks three digits as red, green and blue.

The features of the three channels are concatenated, 64 each; each channel is a factor, so that 1000 combinations can be
counted. Stacked MNIST is evaluated in this way: Metz et al. 2017, section 3.3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.digits import NUM_CLASSES, RESIZER, Architecture, Digits, digits_incompatibility

CHANNELS = ("red", "green", "blue")


class StackedDigits(Feature):
    """Read colour images whose side is a multiple of 8."""

    factors = dict.fromkeys(CHANNELS, NUM_CLASSES)
    resizer = RESIZER

    def __init__(self, architecture: Architecture = "convolution") -> None:
        super().__init__()
        self.digits = Digits(architecture)
        self.name = f"stacked-{self.digits.name}"

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return digits_incompatibility(sample_shape, len(CHANNELS))

    def extract(self, samples: Tensor) -> Reading:  # (N, 3, S, S) in [-1, 1] -> (N, 192), three of (N, 10)
        n, channels = samples.shape[:2]
        features, (logits,) = self.digits.extract(samples.flatten(0, 1).unsqueeze(1))
        return Reading(features.reshape(n, -1), logits.reshape(n, channels, -1).unbind(1))
