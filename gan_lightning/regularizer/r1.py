"""The zero-centred gradient penalty on real samples: |∇D(x)|² / 2, x real.

At the equilibrium D is flat on the data; without the penalty nothing holds it there, and the players circle for ever.
Mescheder et al. 2018, eq. 9; its Dirac-GAN is `experiment=dirac`.
"""

from typing import ClassVar

from torch import Tensor

from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.types import Turn


class R1(Regularizer):
    """`weight` is γ."""

    differentiates: ClassVar[tuple[str, ...]] = ("real",)

    def discriminator(self, turn: Turn) -> Tensor:
        return turn.slopes["real"].square().sum(1) / 2
