"""A generator's samples as a sampler selects them, each a function of (seed, position), like those of `GeneratedSamples`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gan_lightning.data.base import DataError
from gan_lightning.data.selection import BATCH_SIZE, Selection
from gan_lightning.data.stream import BLOCK, Source, draw_blocks
from gan_lightning.gan import GAN
from gan_lightning.metric.evaluation import Conditions, GeneratedSamples, Weights, discriminator_function
from gan_lightning.metric.reference import reference_size
from gan_lightning.sampler.base import Sampler
from gan_lightning.sampler.calibration import calibrate
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

MAX_CALIBRATION = 10_000  # samples of either kind


class SelectedSamples:
    """Draw samples by a sampler. D is calibrated on `held_out` real samples and on as many generated ones.

    Raises DataError if there are no such real samples, if D scores several samples together, or if its outputs are not finite.
    """

    def __init__(
        self,
        gan: GAN,
        conditions: Conditions,
        sampler: Sampler,
        held_out: Source,
        training_conditions: Conditions,
        seed: int,
        purpose: Purpose = Purpose.REPORT,
        weights: Weights = "ema",
    ) -> None:
        """`conditions`: those to draw samples for; `training_conditions`: those of the data, for the calibration."""
        if gan.packing > 1:
            raise DataError(f"sampler: D scores {gan.packing} samples together; a sampler needs a run with gan.packing=1")
        self.generated = GeneratedSamples(gan, conditions, seed, purpose, weights)
        self.network, self.sampler, self.seed = self.generated.network, sampler, seed
        self.discriminate = discriminator_function(gan)
        real = Selection(held_out, min(reference_size(held_out), MAX_CALIBRATION), seed)
        if not len(real):
            raise DataError("sampler: the validation split is empty, and D is calibrated on it; use sampler=none")
        fakes = GeneratedSamples(gan, training_conditions, seed, Purpose.CALIBRATION, weights)
        real_logits = self.logits(real.batches())
        fake_logits = self.logits(fakes.part(i, min(BATCH_SIZE, len(real) - i)) for i in range(0, len(real), BATCH_SIZE))
        if not torch.cat([real_logits, fake_logits]).isfinite().all():
            raise DataError("sampler: D's outputs are not finite numbers; use an earlier checkpoint=, or sampler=none")
        self.calibration = calibrate(real_logits, fake_logits)
        sampler.setup(self.calibration(real_logits), self.calibration(fake_logits))
        self.drawn = self.proposed = 0

    @property
    def accepted(self) -> float:
        """Return the share of the generator's samples that were kept, of all that were drawn until now."""
        return self.drawn / self.proposed if self.proposed else 1.0

    @property
    def selection(self) -> str:
        """Return the sampler's class and settings, D's calibration and the share that was kept, for a protocol."""
        settings = ", ".join(f"{key} {value}" for key, value in vars(self.sampler).items() if isinstance(value, int | float))
        slope = f"log density ratio {self.calibration.slope:.3g} · logit {self.calibration.offset:+.3g}"
        return f"{type(self.sampler).__name__}, {settings}; {self.accepted:.1%} of {self.proposed} kept; {slope}"

    def part(self, start: int, n: int) -> Batch:
        """Return samples start … start + n − 1 and the conditions that they were generated for, on the CPU."""
        self.drawn += n
        return Batch(self.sampler.draw(self, torch.arange(start, start + n)), self.generated.conditions(start, n))

    def propose(self, positions: Tensor, attempt: int) -> tuple[Tensor, Tensor]:  # (n,) -> (n, *sample_shape), (n,)
        """Return an attempt's samples at increasing positions, and log p_data / p_G of each."""
        self.proposed += len(positions)
        start, end = int(positions[0]), int(positions[-1]) + 1
        batch = self.generated.draw(start, end - start, positions - start, attempt)
        return batch.real, self.calibration(self.discriminate(batch.real, batch.condition))

    def uniform(self, positions: Tensor, attempt: int) -> Tensor:  # (n,) -> (n,) in [0, 1)
        """Return a random number for each of these samples."""

        def draw_block(i: int) -> Tensor:  # -> (BLOCK,)
            return torch.rand(BLOCK, generator=seeded_generator(Purpose.DECISION, self.seed, i, attempt))

        start, end = int(positions[0]), int(positions[-1]) + 1
        return draw_blocks(start, end - start, draw_block)[positions - start]

    def logits(self, batches: Iterable[Batch]) -> Tensor:  # -> (N,)
        """Return D's logit of each sample."""
        return torch.cat([self.discriminate(batch.real, batch.condition) for batch in batches])
