"""Two small classifiers of Fashion-MNIST's clothes: the 64 features before the last layer, and the class.

They have the architectures of `feature=mnist` and were trained in the same way. Fréchet distances on a classifier's features:
Heusel et al. 2017, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gan_lightning.metric.feature.digits import NUM_CLASSES
from gan_lightning.metric.feature.mnist import MNIST


class FashionMNIST(MNIST):
    """Read square grey images of at least 8×8 pixels, resized to 28×28."""

    factors: Mapping[str, int] = {"clothes": NUM_CLASSES}
    option: ClassVar[str] = "fashion_mnist"
    title: ClassVar[str] = "Fashion-MNIST"
