"""Three random digits of MNIST as the red, green and blue channel of one image: the published benchmark of 1000 modes.

Stacked MNIST, Metz et al. 2017, section 3.3.1; its usual protocol of 26,000 generated samples: VEEGAN, Srivastava et al. 2017,
section 5.2, and PacGAN, Lin et al. 2018, section 4.2. Training samples are made of training digits, drawn anew for every batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.fingerprint import Fingerprint
from gan_lightning.data.mnist import MNIST
from gan_lightning.data.stream import RandomSource, Source
from gan_lightning.step.types import PathText

CHANNELS = 3


class Stack(RandomSource):
    """Draw samples of three stored digits, each chosen uniformly and independently."""

    def __init__(self, digits: Source, total: int, split_index: int) -> None:
        self.digits, self.total, self.split_index = digits, total, split_index

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, 3, S, S)
        positions = torch.randint(self.total, (n * CHANNELS,), generator=generator)
        real = self.digits.take(positions).real  # (n · 3, 1, S, S)
        return real.view(n, CHANNELS, *real.shape[2:])


class StackedMNIST(Data):
    """Stack digits as the channels of colour images of 28×28, or of another size that `data=mnist` has."""

    def __init__(self, root: PathText = "data", download: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.root, self.download = root, download

    def count(self) -> None:
        """Return None: samples are drawn without end. Raises DataError if files are missing or the config does not match."""
        channels, *sides = self.sample_shape
        if channels != CHANNELS or len(sides) != 2 or sides[0] != sides[1]:
            shape = list(self.sample_shape)
            raise DataError(f"data.sample_shape: {shape} is no shape of stacked MNIST; allowed: [3,28,28] or any other [3,S,S]")
        if self.num_classes:
            raise DataError(f"data.num_classes: stacked digits are unlabelled, 0, not {self.num_classes}")
        self.digits().count()

    def load(self) -> Splits:
        self.count()
        digits = self.digits()
        sizes, splits = digits.count(), digits.splits
        return Splits(*(Stack(split, size, i) for i, (split, size) in enumerate(zip(splits, sizes, strict=True))))

    def fingerprint(self) -> Fingerprint:
        return self.digits().fingerprint()

    def digits(self) -> MNIST:
        """Return the single digits, without labels."""
        side = self.sample_shape[1]
        return MNIST(root=self.root, download=self.download, sample_shape=(1, side, side), num_classes=0)
