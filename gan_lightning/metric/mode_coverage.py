"""How many modes of a known mixture are found, how evenly, how well, and whether each has its Gaussian's shape.

A sample is of *high quality* within 3 standard deviations of its nearest mode; a mode is *captured* if it is the nearest of a
high-quality sample; the *reverse KL* is that of the samples' distribution over nearest modes from the true, even one, and
reverse_kl_excess what is left above the reverse KL expected of as many true draws. VEEGAN, Srivastava et al. 2017, section
5.1; PacGAN, Lin et al. 2018, section 4.1. In the plane a perfect model scores 98.9 % high quality (1 − exp(−9/2)).

A mode may be captured and yet be too narrow, so the high-quality samples' distances r from their modes are compared with a
Gaussian's cut off at 3 std, for which u = r² / 2 std² is Gamma(D/2) cut off at 9/2: *spread* = √mean r² / the Gaussian's, and
*ks* is the Kolmogorov-Smirnov distance of u from its distribution.

energy = nm/(n + m) (2 mean|x − y| − mean|x − x′| − mean|y − y′|) / mean|y − y′| over distinct y, with n samples x and
m real ones y: the energy distance in units of its expectation for as many real samples, 1 on average for a perfect model.
Székely & Rizzo 2013.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.special import gammainc
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.points import Points
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.multinomial import expected_kl
from gan_lightning.metric.reference import Reference

NEAR = 3  # standard deviations
COMPARED = 2500  # real samples of the energy distance
PART = 500


class ModeCoverage(GenerativeMetric):
    """`modes` is a count, `high_quality` a share in [0, 1], `reverse_kl` in nats; `spread` and `energy` are 1 at best."""

    maximize: ClassVar[dict[str, bool]] = {
        "reverse_kl": False,
        "modes": True,
        "high_quality": True,
        "reverse_kl_excess": False,
        "ks": False,
        "energy": False,
    }
    nonzero_floor: ClassVar[tuple[str, ...]] = ("reverse_kl", "ks", "energy")
    heard: list[Tensor]  # (n, D) each

    def __init__(self, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.centres, self.std, self.real, self.among = torch.zeros(1, 1), 1.0, torch.zeros(1, 1), torch.tensor(0.0)
        self.add_state("heard", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Points):
            return "mode coverage needs data whose modes are known, such as data=ring or data=grid; use metric=none"
        if not data.std:
            return "mode coverage needs modes that have a width, such as those of data=ring; use metric=distance"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Points)
        self.centres, self.std = reference.data.modes.double(), reference.data.std
        self.real = reference.real(COMPARED).real.double()
        self.among = mean_distance(self.real, self.real)

    def update(self, samples: Tensor, labels: Tensor | None) -> None:
        self.heard.append(samples)

    def compute(self) -> dict[str, Tensor]:
        samples = dim_zero_cat(self.heard).double() if len(self.heard) else self.centres[:0]
        if not len(samples):
            raise TooFewSamplesError("mode_coverage: at least 1 generated sample is needed, not 0")
        points = samples[samples.isfinite().all(1)]  # what is no point is near no mode
        distance, mode = torch.cdist(points, self.centres.to(points.device)).min(1)
        good = distance <= NEAR * self.std
        k = len(self.centres)
        share = mode.bincount(minlength=k).double() / len(mode)
        kl = torch.special.xlogy(share, share).sum() + math.log(k)
        return {
            "reverse_kl": kl,
            "modes": (mode[good].bincount(minlength=k) > 0).sum(),
            "high_quality": good.sum().double() / len(samples),
            "reverse_kl_excess": kl - (expected_kl(torch.full((k,), 1 / k), len(mode)) if len(mode) else 0),
            **shape(distance[good].square() / (2 * self.std**2), points.shape[1]),
            "energy": self.energy(points),
        }

    def energy(self, points: Tensor) -> Tensor:  # (n, D) -> ()
        """The energy distance from real points, in units of chance."""
        n, m, real = len(points), len(self.real), self.real.to(points.device)
        apart = 2 * mean_distance(points, real) - mean_distance(points, points) - self.among
        return n * m / (n + m) * apart / (self.among * m / (m - 1)) if n else torch.tensor(float("nan"))


def shape(u: Tensor, dimensions: int) -> dict[str, Tensor]:  # (n,)
    """`spread` and `ks` of squared distances in units of 2 std²."""
    half, end = torch.tensor(dimensions / 2, dtype=torch.float64, device=u.device), u.new_tensor(NEAR**2 / 2)
    if not len(u):
        return dict.fromkeys(("spread", "ks"), torch.tensor(float("nan")))
    inside = gammainc(half, end)
    expected = gammainc(half, u.sort().values) / inside
    rank = torch.arange(len(u) + 1, dtype=torch.float64, device=u.device) / len(u)
    return {
        "spread": (u.mean() / (half * gammainc(half + 1, end) / inside)).sqrt(),
        "ks": torch.maximum(rank[1:] - expected, expected - rank[:-1]).max(),
    }


def mean_distance(a: Tensor, b: Tensor) -> Tensor:  # (n, D), (m, D) -> ()
    """Of all pairs, a part at a time."""
    return torch.stack([torch.cdist(part, b).sum() for part in torch.split(a, PART)]).sum() / (len(a) * len(b))
