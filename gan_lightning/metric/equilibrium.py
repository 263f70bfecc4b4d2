"""The probability that the discriminator ranks a held-out real sample above a generated one.

auc = P(D(real) > D(fake)) + ½ P(D(real) = D(fake)) over all pairs

It is 0.5 where D can't separate the two, as at the equilibrium of the game (Goodfellow et al. 2014, proposition 2). Pairs are
compared because a relativistic D's logits have no threshold, and the real samples are held out because D overfits to those it
is trained on. A D with constant output also scores 0.5, so read a metric of sample quality beside it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import DataError
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import DiscriminatorFunction, Reference

BATCH_SIZE = 500


class Equilibrium(GenerativeMetric):
    """Measure `auc` in [0, 1] with the current discriminator."""

    min_reference: ClassVar[int] = 1
    maximize: ClassVar[dict[str, bool]] = {"auc": False}
    uses_discriminator: ClassVar[bool] = True
    generated_logits: list[Tensor]  # (n,) each

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.add_state("generated_logits", [], dist_reduce_fx="cat")

    def set_reference(self, reference: Reference) -> None:
        """Select as many reference samples as generated ones. Raises DataError without a discriminator function."""
        if reference.discriminator_function is None:
            raise DataError("metric.equilibrium: needs a discriminator, but there is none here; score a run, or leave it out")
        self.discriminate: DiscriminatorFunction = reference.discriminator_function
        self.reference = reference.samples(self.num_samples)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference.real)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        empty = torch.empty(0, dtype=torch.float64)
        self.generated_logits.append(self.discriminate(samples, condition).double() if len(samples) else empty)

    def compute(self) -> dict[str, Tensor]:
        """Return `auc`; D evaluates the reference samples here because it changes between evaluations."""
        samples, condition = self.reference
        generated = dim_zero_cat(self.generated_logits) if len(self.generated_logits) else torch.empty(0)
        for kind, n in (("generated", len(generated)), ("real", len(samples))):
            if not n:
                raise TooFewSamplesError(f"equilibrium: at least 1 {kind} sample is needed, not 0")
        batches = torch.split(torch.arange(len(samples)), BATCH_SIZE)
        logits = torch.cat([self.discriminate(samples[at], None if condition is None else condition[at]) for at in batches])
        return {"auc": auc(logits.double(), generated.double())}


def auc(real: Tensor, fake: Tensor) -> Tensor:  # (N,), (M,) -> ()
    """Return the share of pairs in which the real logit is larger, with ties counted as half; NaN if any is not finite."""
    if not (real.isfinite().all() and fake.isfinite().all()):
        return torch.tensor(float("nan"))
    real = real.sort().values
    smaller, not_larger = (torch.searchsorted(real, fake.contiguous(), right=right).double() for right in (False, True))
    return 1 - (smaller + not_larger).mean() / (2 * len(real))
