"""Three random digits as red, green and blue: 1000 modes that can be counted (Stacked MNIST, Metz et al. 2017, section 3.3.1).

The digits are those of `data=digits_8`, and so are the splits: a training sample is made of training digits. Drawn afresh for
every batch; unlabelled.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.digits import Digits
from gan_lightning.data.stream import Drawn, Source

SHAPE = (3, 8, 8)


class Stack(Drawn):
    """Three digits a sample."""

    def __init__(self, digits: Tensor, fixed: int = 0) -> None:
        """`digits` (M, 1, 8, 8); `fixed` tells the draws of one split from another's."""
        self.digits, self.fixed = digits, fixed

    def draw(self, n: int, source: torch.Generator) -> Tensor:  # -> (n, 3, 8, 8)
        """N samples, each channel's digit chosen by itself."""
        return self.digits[torch.randint(len(self.digits), (n, SHAPE[0]), generator=source), 0]


class StackedDigits(Data):
    """Colour images, 8×8."""

    def count(self) -> None:
        """They do not run out."""
        if self.sample_shape != SHAPE:
            given = list(self.sample_shape)
            raise DataError(f"data.sample_shape: {given} is no shape of stacked digits; allowed: {list(SHAPE)}")
        if self.num_classes:
            raise DataError(f"data.num_classes: stacked digits are unlabelled, 0, not {self.num_classes}")

    def load(self) -> Splits:
        self.count()
        single: tuple[Source, ...] = Digits(sample_shape=(1, *SHAPE[1:]), num_classes=0).splits
        return Splits(*(Stack(split.first(2**31), fixed) for fixed, split in enumerate(single)))
