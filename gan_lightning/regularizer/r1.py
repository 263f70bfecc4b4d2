"""R1, the zero-centred gradient penalty on real samples: |∇D(x)|² / 2, x real.

At the equilibrium D is flat on the data; without the penalty nothing keeps it so, and the players circle round the equilibrium
instead of converging. Mescheder et al. 2018, eq. 9; its Dirac-GAN is `experiment=dirac`.
"""

from typing import ClassVar

from torch import Tensor

from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.types import StepContext


class R1(Regularizer):
    """Penalise D's gradient on real samples; `weight` is γ."""

    needs_input_gradient: ClassVar[tuple[str, ...]] = ("real",)

    def discriminator(self, context: StepContext) -> Tensor:
        return context.flat_input_gradients["real"].square().sum(1) / 2
