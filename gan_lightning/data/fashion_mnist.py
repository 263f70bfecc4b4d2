"""Fashion-MNIST: 70,000 photographs of clothes in ten classes, grey, 28×28 (Xiao et al. 2017), in MNIST's files.

The files are in `<root>/FashionMNIST/raw/`, or in `<root>` itself. The classes are, from 0: T-shirt, trouser, pullover, dress,
coat, sandal, shirt, sneaker, bag, ankle boot.
"""

from __future__ import annotations

from gan_lightning.data.mnist import MNIST, Published


class FashionMNIST(MNIST):
    """Load Fashion-MNIST; sizes, splits and labels are those of MNIST."""

    @property
    def published(self) -> Published:
        return Published("Fashion-MNIST", "FashionMNIST")
