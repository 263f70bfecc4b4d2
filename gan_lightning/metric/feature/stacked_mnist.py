"""MNIST's classifier applied to each channel of an image that stacks three digits as red, green and blue.

The features of the three channels are concatenated, 64 each; each channel is a factor, so that 1000 combinations can be
counted. Stacked MNIST is evaluated in this way: Metz et al. 2017, section 3.3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.digits import NUM_CLASSES
from gan_lightning.metric.feature.mnist import MNIST, Architecture, mnist_incompatibility
from gan_lightning.metric.feature.stacked_digits import CHANNELS


class StackedMNIST(Feature):
    """Read square colour images of at least 8×8 pixels, each channel resized to 28×28."""

    factors = dict.fromkeys(CHANNELS, NUM_CLASSES)
    resizer = MNIST.resizer

    def __init__(self, architecture: Architecture = "convolution") -> None:
        super().__init__()
        self.digits = MNIST(architecture)
        self.name = f"stacked-{self.digits.name}"

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return mnist_incompatibility(sample_shape, len(CHANNELS), MNIST.title)

    def extract(self, samples: Tensor) -> Reading:  # (N, 3, S, S) in [-1, 1] -> (N, 192), three of (N, 10)
        n, channels = samples.shape[:2]
        features, (logits,) = self.digits.extract(samples.flatten(0, 1).unsqueeze(1))
        return Reading(features.reshape(n, -1), logits.reshape(n, channels, -1).unbind(1))
