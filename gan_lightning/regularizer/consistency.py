"""Consistency regularization: D's logit of an image and of the same image after a small transform are equal.

    discriminator  (D(T(x)) − D(x))²    x real, and generated ones too if `balanced`

Zhang et al. 2020, eq. 2 (CR): T shifts by a few pixels and mirrors, weight 10. Zhao et al. 2021, section 3 (bCR): of generated
samples too. D receives both without the run's augmentation.
"""

from torch import Tensor

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.regularizer.base import Interval, Regularizer, Weight
from gan_lightning.step.schedule import Schedule
from gan_lightning.step.types import StepContext


class Consistency(Regularizer):
    """Penalise the change of D's logit under `transform`."""

    def __init__(
        self,
        transform: Augmentation,
        weight: Weight = 10.0,
        interval: Interval = 1,
        schedule: Schedule | None = None,
        balanced: bool = False,
    ) -> None:
        super().__init__(weight, interval, schedule)
        self.transform, self.balanced = transform, balanced

    def discriminator(self, context: StepContext) -> Tensor:  # -> (N / packing, …)
        """Return the squared changes. Raises ValueError for samples that the transform can't change."""
        if why := self.transform.incompatibility(context.real.shape[1:]):
            raise ValueError(f"its transform {why}")
        sides = [context.real, context.fake] if self.balanced else [context.real]
        discriminate = context.discriminate.unaugmented
        terms = []
        for x in (side.detach() for side in sides):
            changed, unchanged = (discriminate(images, context.condition).logits for images in (self.transform(x), x))
            terms.append((changed - unchanged).square())
        return sum(terms[1:], terms[0])
