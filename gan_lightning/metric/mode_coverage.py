"""How many modes of a known mixture are found, how evenly, and how well.

A sample is of *high quality* within 3 standard deviations of its nearest mode; a mode is *captured* if it is the nearest of a
high-quality sample; the *reverse KL* is that of the samples' distribution over nearest modes from the true, even one. VEEGAN,
Srivastava et al. 2017, section 5.1; PacGAN, Lin et al. 2018, section 4.1. In the plane a perfect model scores 98.9 % high
quality (1 − exp(−9/2)).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.data.base import Data
from gan_lightning.data.points import Points
from gan_lightning.metric.base import Samples, Score


class ModeCoverage(Score):
    """`modes` is a count, `high_quality` a share in [0, 1], `reverse_kl` in nats."""

    higher: ClassVar[dict[str, bool]] = {"reverse_kl": False, "modes": True, "high_quality": True}
    near: Tensor
    good: Tensor
    seen: Tensor

    def __init__(self, num_samples: Samples = 2500) -> None:
        super().__init__(num_samples)
        self.centres, self.std = torch.zeros(1, 1), 1.0

    def unfit(self, data: Data) -> str | None:
        if not isinstance(data, Points):
            return "mode coverage needs data whose modes are known, such as data=ring or data=grid; use metric=none"
        return None

    def bind(self, data: Data) -> None:
        assert isinstance(data, Points)
        self.centres, self.std = data.modes, data.std
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("near", torch.zeros(len(data.modes), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("good", torch.zeros(len(data.modes), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.seen += len(samples)
        samples = samples[samples.isfinite().all(1)].double()  # what is no point is near no mode
        distance, mode = torch.cdist(samples, self.centres.to(samples.device).double()).min(1)
        self.near += mode.bincount(minlength=len(self.centres))
        self.good += mode[distance <= 3 * self.std].bincount(minlength=len(self.centres))

    def compute(self) -> dict[str, Tensor]:
        share = self.near.double() / self.near.sum()
        kl = torch.special.xlogy(share, share).sum() + math.log(len(self.centres))
        return {"reverse_kl": kl, "modes": (self.good > 0).sum(), "high_quality": self.good.sum().double() / self.seen}
