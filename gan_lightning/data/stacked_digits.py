"""Three random digits as the red, green and blue channel of one image: 1000 modes that a classifier can count.

Stacked MNIST, Metz et al. 2017, section 3.3.1, with the digits and the splits of `data=digits_8`: a training sample is made of
training digits. Samples are unlabelled and drawn anew for every batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.digits import NUM_DIGITS, Digits
from gan_lightning.data.stream import RandomSource

SHAPE = (3, 8, 8)


class Stack(RandomSource):
    """Draw samples of three digits, each chosen uniformly and independently."""

    def __init__(self, digits: Tensor, split_index: int = 0) -> None:  # digits: (M, 1, 8, 8)
        self.digits, self.split_index = digits, split_index

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, 3, 8, 8)
        return self.digits[torch.randint(len(self.digits), (n, SHAPE[0]), generator=generator), 0]


class StackedDigits(Data):
    """Stack digits as the channels of 8×8 colour images."""

    def count(self) -> None:
        """Return None: samples are drawn without end. Raises DataError if the config does not match them."""
        if self.sample_shape != SHAPE:
            shape = list(self.sample_shape)
            raise DataError(f"data.sample_shape: {shape} is no shape of stacked digits; allowed: {list(SHAPE)}")
        if self.num_classes:
            raise DataError(f"data.num_classes: stacked digits are unlabelled, 0, not {self.num_classes}")

    def load(self) -> Splits:
        self.count()
        digits = Digits(sample_shape=(1, *SHAPE[1:]), num_classes=0).splits
        return Splits(*(Stack(split.part(0, NUM_DIGITS).real, split_index) for split_index, split in enumerate(digits)))
