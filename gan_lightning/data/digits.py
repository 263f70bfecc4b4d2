"""Real handwritten digits without a download: the 1797 8×8 images that scikit-learn includes (Alpaydin & Kaynak 1998).

They were written by 43 people and have 17 grey levels. The split is fixed and stratified: 1198 train, 299 validation, 300 test.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import interpolate

from gan_lightning.data.base import Data, DataError, Splits, SplitSizes
from gan_lightning.data.store import Store

SIZES = SplitSizes(1198, 299, 300)
NUM_DIGITS = sum(SIZES)
SIDES = (8, 16, 32)


class Digits(Data):
    """Load the digits at 8×8, or enlarged to 16×16 or 32×32 (bicubic); with `num_classes` 0 without their labels."""

    def count(self) -> SplitSizes:
        if self.sample_shape not in [(1, side, side) for side in SIDES]:
            allowed = ", ".join(f"[1,{side},{side}]" for side in SIDES)
            raise DataError(f"data.sample_shape: {list(self.sample_shape)} is no size of the digits; allowed: {allowed}")
        if self.num_classes not in (0, 10):
            raise DataError(f"data.num_classes: the digits have 10 classes, not {self.num_classes}; 0 hides them")
        return SIZES

    def load(self) -> Splits:
        self.count()
        digits = load_digits()
        images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16  # 0 … 16 -> [0, 1]
        side = self.sample_shape[1]
        if side != 8:
            images = interpolate(images, size=(side, side), mode="bicubic").clamp(0, 1)
        samples, classes = (images * 255).round().to(torch.uint8).numpy(), digits.target
        train, rest = train_test_split(np.arange(len(classes)), train_size=SIZES.train, stratify=classes, random_state=0)
        validation, test = train_test_split(rest, train_size=SIZES.validation, stratify=classes[rest], random_state=0)
        labels = classes if self.num_classes else None
        return Splits(*(Store(samples, labels, index) for index in (train, validation, test)))
