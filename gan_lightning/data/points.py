"""Points in the plane whose distribution is known: a mixture of equal Gaussians, drawn afresh for every batch."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lightning.data.base import Data, Splits
from gan_lightning.data.stream import Drawn

SPLIT_SIZE = 2500


class Mixture(Drawn):
    """Points of a mixture."""

    def __init__(self, modes: Tensor, std: float, fixed: int = 0) -> None:
        """`modes` (K, D); `fixed` tells the draws of one split from another's."""
        self.modes, self.std, self.fixed = modes, std, fixed

    def draw(self, n: int, source: torch.Generator) -> Tensor:  # -> (n, D)
        """N points."""
        which = torch.randint(len(self.modes), (n,), generator=source)
        return self.modes[which] + self.std * torch.randn(n, self.modes.shape[1], generator=source)


class Points(Data):
    """`modes` (K, D) and `std`: what metrics compare samples with."""

    modes: Tensor
    std: float

    def count(self) -> None:
        """Points do not run out."""

    def load(self) -> Splits:
        return Splits(*(Mixture(self.modes, self.std, fixed) for fixed in range(3)))
