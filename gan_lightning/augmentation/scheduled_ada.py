"""ADA's transforms with a probability that follows a schedule instead of D's overfitting: p = `final_p` · `schedule`(progress).

R3GAN raises p from 0 along half a cosine, together with its other schedules (Huang et al. 2024, appendix). The transforms are
those of `augmentation.ada`.
"""

from typing import ClassVar

from gan_lightning.augmentation.ada import ADA, Probability
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Schedule


class ScheduledADA(ADA):
    """Apply the transforms with a scheduled probability."""

    reads_sign: ClassVar[bool] = False

    def __init__(self, final_p: Probability = 0.3, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.final_p, self.schedule = final_p, schedule or Constant()

    def advance(self, progress: Progress) -> None:
        """Set the probability of this step, at most 1."""
        self.p.fill_(min(1.0, self.final_p * self.schedule(progress.fraction)))

    def update(self, real_logits: object) -> None:
        """Leave the probability as it is."""
