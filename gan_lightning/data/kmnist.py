"""KMNIST: 70,000 handwritten Japanese characters in ten classes, 28×28 (Clanuwat et al. 2018), in MNIST's files.

The files are in `<root>/KMNIST/raw/`, or in `<root>` itself. The classes are the hiragana o, ki, su, tsu, na, ha, ma, ya, re,
and wo.
"""

from __future__ import annotations

from gan_lightning.data.mnist import MNIST, Published


class KMNIST(MNIST):
    """Load KMNIST; sizes, splits and labels are those of MNIST."""

    @property
    def published(self) -> Published:
        return Published("KMNIST", "KMNIST")
