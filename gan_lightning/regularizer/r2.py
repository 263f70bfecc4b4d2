"""R2, the zero-centred gradient penalty on generated samples: |∇D(G(z))|² / 2.

R1 does not constrain D where fakes lie outside the data; R2 does. Mescheder et al. 2018, eq. 10; together with R1 in R3GAN,
Huang et al. 2024, section 2.2.
"""

from typing import ClassVar

from torch import Tensor

from gan_lightning.regularizer.base import Regularizer
from gan_lightning.step.types import StepContext


class R2(Regularizer):
    """Penalise D's gradient on generated samples; `weight` is γ."""

    needs_input_gradient: ClassVar[tuple[str, ...]] = ("fake",)

    def discriminator(self, context: StepContext) -> Tensor:
        return context.flat_input_gradients["fake"].square().sum(1) / 2
