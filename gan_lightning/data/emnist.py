"""EMNIST: handwritten digits and letters, 28×28 (Cohen et al. 2017), in MNIST's format; its files hold the images transposed.

The files are in `<root>/EMNIST/raw/`, or in `<root>` itself: `emnist-balanced-train-images-idx3-ubyte` and so on. `part` is one
of the six published data sets: `byclass` has digits, capitals and small letters, `bymerge` and `balanced` join 15 letters whose
capital and small form look alike, `letters` joins those of every letter.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

from gan_lightning.data.mnist import MNIST, Published

Part = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]
SIZES: dict[str, tuple[int, int, int]] = {  # images for training and for testing, classes
    "byclass": (697_932, 116_323, 62),
    "bymerge": (697_932, 116_323, 47),
    "balanced": (112_800, 18_800, 47),
    "letters": (124_800, 20_800, 26),
    "digits": (240_000, 40_000, 10),
    "mnist": (60_000, 10_000, 10),
}


class EMNIST(MNIST):
    """Load one part of EMNIST; `num_classes` is 0 or that of the part: 62, 47, 47, 26, 10, 10."""

    def __init__(self, part: Part = "balanced", **shared: Any) -> None:
        super().__init__(**shared)
        self.part = part

    @property
    def published(self) -> Published:
        files = (
            f"emnist-{self.part}-{split}-{kind}-ubyte" for split in ("train", "test") for kind in ("images-idx3", "labels-idx1")
        )
        return Published(
            f"EMNIST {self.part}",
            "EMNIST",
            tuple(files),
            *SIZES[self.part],
            first_label=int(self.part == "letters"),
            transposed=True,
            options=MappingProxyType({"split": self.part}),
        )
