"""Points in the plane whose distribution is known: a mixture of equal Gaussians, drawn afresh for every batch."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.data.base import Data, Splits
from gan_lightning.data.stream import BLOCK, in_places
from gan_lightning.seed import Purpose, generator
from gan_lightning.turn import Batch

SPLIT_SIZE = 2500


class Mixture:
    """An endless source: batch i is drawn from (seed, i, rank)."""

    def __init__(self, modes: Tensor, std: float, fixed: int = 0) -> None:
        """`modes` (K, D); `fixed` tells the draws of one split from another's."""
        self.modes, self.std, self.fixed = modes, std, fixed

    def draw(self, n: int, source: torch.Generator) -> Tensor:  # -> (n, D)
        """N points."""
        which = torch.randint(len(self.modes), (n,), generator=source)
        return self.modes[which] + self.std * torch.randn(n, self.modes.shape[1], generator=source)

    def batch(self, seed: int, i: int, n: int, rank: int = 0, world: int = 1) -> Batch:
        """Batch i of this rank, whatever the number of ranks."""
        return Batch(self.draw(n, generator(Purpose.REAL, seed, i, rank)), None)

    def part(self, start: int, n: int) -> Batch:
        """N points of their own for each place, others for each split."""
        drawn = in_places(start, n, lambda i: self.draw(BLOCK, generator(Purpose.REAL, self.fixed, 2**32 - 1, i)))
        return Batch(drawn, None)

    def first(self, n: int, label: int | None = None) -> Tensor:
        """Always the same n points, others for each split."""
        return self.part(0, n).real


class Points(Data):
    """`modes` (K, D) and `std`: what metrics compare samples with."""

    modes: Tensor
    std: float

    def count(self) -> None:
        """Points do not run out."""

    def load(self) -> Splits:
        return Splits(*(Mixture(self.modes, self.std, fixed) for fixed in range(3)))
