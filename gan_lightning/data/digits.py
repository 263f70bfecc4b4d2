"""Real handwritten digits that need no download: the 1797 8×8 images that come with scikit-learn (Alpaydin & Kaynak 1998).

43 people's digits, 17 grey levels. Split once and for all, the classes in equal shares: 1198 train, 299 validation, 300 test.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import interpolate

from gan_lightning.data.base import Data, DataError, Splits
from gan_lightning.data.store import Store

TRAIN = 1198
SIDES = (8, 16, 32)


class Digits(Data):
    """At 16×16 and 32×32 the 8×8 originals are enlarged (bicubic)."""

    def count(self) -> int:
        if self.sample_shape not in [(1, side, side) for side in SIDES]:
            allowed = ", ".join(f"[1,{side},{side}]" for side in SIDES)
            raise DataError(f"data.sample_shape: {list(self.sample_shape)} is no size of the digits; allowed: {allowed}")
        if self.num_classes not in (0, 10):
            raise DataError(f"data.num_classes: the digits have 10 classes, not {self.num_classes}; 0 hides them")
        return TRAIN

    def load(self) -> Splits:
        self.count()
        found = load_digits()
        images = torch.from_numpy(found.images).float().unsqueeze(1) / 16  # 0 … 16 -> [0, 1]
        side = self.sample_shape[1]
        if side != 8:
            images = interpolate(images, size=(side, side), mode="bicubic").clamp(0, 1)
        samples, labels = (images * 255).round().to(torch.uint8).numpy(), found.target
        train, rest = train_test_split(np.arange(len(labels)), train_size=TRAIN, stratify=labels, random_state=0)
        validation, test = train_test_split(rest, train_size=299, stratify=labels[rest], random_state=0)
        kept = labels if self.num_classes else None
        return Splits(*(Store(samples, kept, index) for index in (train, validation, test)))
