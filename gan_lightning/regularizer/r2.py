"""The zero-centred gradient penalty on generated samples: |∇D(G(z))|² / 2.

R1's twin: where fakes have left the data, R1 says nothing of D's slope. Mescheder et al. 2018, eq. 10; together with R1 in
R3GAN, Huang et al. 2024, section 2.2.
"""

from typing import ClassVar

from torch import Tensor

from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.types import Turn


class R2(Regularizer):
    """`weight` is γ."""

    differentiates: ClassVar[tuple[str, ...]] = ("fake",)

    def discriminator(self, turn: Turn) -> Tensor:
        return turn.slopes["fake"].square().sum(1) / 2
