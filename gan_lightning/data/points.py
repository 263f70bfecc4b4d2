"""Points of a known distribution: a mixture of Gaussians with equal weights, drawn anew for every batch."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from gan_lightning.data.base import Data, Splits
from gan_lightning.data.stream import RandomSource


class Mixture(RandomSource):
    """Draw points of a mixture of K Gaussians in D dimensions."""

    def __init__(self, modes: Tensor, std: float, split_index: int = 0) -> None:  # modes: (K, D)
        self.modes, self.std, self.split_index = modes, std, split_index

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, D)
        mode = torch.randint(len(self.modes), (n,), generator=generator)
        return self.modes[mode] + self.std * torch.randn(n, self.modes.shape[1], generator=generator)


class Points(Data):
    """Define points by the centres `modes` (K, D) and the standard deviation `std` of each Gaussian; metrics read both."""

    modes: Tensor
    std: float

    @abstractmethod
    def count(self) -> None:
        """Return None: points are drawn without end. Raises DataError if the config does not match them."""

    def load(self) -> Splits:
        return Splits(*(Mixture(self.modes, self.std, split_index) for split_index in range(3)))
