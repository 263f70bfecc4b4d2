"""Whether the discriminator can still tell held-out real samples from generated ones.

auc = P(D(real) > D(fake)) + ½ P(D(real) = D(fake)) over all pairs: 0.5 where D can't, as the game's equilibrium promises
(Goodfellow et al. 2014, proposition 2). Pairs, because a relativistic D's logits have no threshold; held-out samples, because
D comes to know the training ones. A dead D scores 0.5 as well: look at a score of quality beside it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import DataError
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import DiscriminatorFunction, Reference

PART = 500


class Equilibrium(GenerativeMetric):
    """`auc` in [0, 1]."""

    maximize: ClassVar[dict[str, bool]] = {"auc": False}
    uses_discriminator: ClassVar[bool] = True
    on_fake: list[Tensor]  # (n,) each

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.add_state("on_fake", [], dist_reduce_fx="cat")

    def set_reference(self, reference: Reference) -> None:
        if reference.judge is None:
            raise DataError("metric.equilibrium: asks a discriminator, but there is none here; score a run, or leave it out")
        self.judge: DiscriminatorFunction = reference.judge
        self.real = reference.real(self.num_samples)

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.on_fake.append(self.judge(samples, labels).double() if len(samples) else torch.empty(0, dtype=torch.float64))

    def compute(self) -> dict[str, Tensor]:
        """D is asked of the real samples only now: it learns between one time and the next."""
        fake = dim_zero_cat(self.on_fake) if len(self.on_fake) else torch.empty(0)
        for side, n in (("generated", len(fake)), ("real", len(self.real.real))):
            if not n:
                raise TooFewSamplesError(f"equilibrium: at least 1 {side} sample is needed, not 0")
        samples, labels = self.real
        places = torch.split(torch.arange(len(samples)), PART)
        on_real = torch.cat([self.judge(samples[at], None if labels is None else labels[at]) for at in places])
        return {"auc": auc(on_real.double(), fake.double())}


def auc(real: Tensor, fake: Tensor) -> Tensor:  # (N,), (M,) -> ()
    """The share of pairs in which the real one stands higher, ties by half."""
    if not (real.isfinite().all() and fake.isfinite().all()):
        return torch.tensor(float("nan"))
    real = real.sort().values
    below, up_to = (torch.searchsorted(real, fake.contiguous(), right=right).double() for right in (False, True))
    return 1 - (below + up_to).mean() / (2 * len(real))
