"""The coverage of a mixture of Gaussians with known modes: how many are found, how evenly, and with what shape.

A sample is of *high quality* if it is within 3 standard deviations of its nearest mode. A mode is *captured* if it is the
nearest mode of a high-quality sample. *reverse_kl* is the divergence of the samples' distribution over nearest modes from the
uniform one, and reverse_kl_excess = reverse_kl − its expectation for as many true draws. VEEGAN, Srivastava et al. 2017,
section 5.1; PacGAN, Lin et al. 2018, section 4.1. In two dimensions a perfect model has 98.9 % high-quality samples
(1 − exp(−9/2)).

A captured mode can still be too narrow. The distances r of high-quality samples from their modes are therefore compared with a
Gaussian truncated at 3 std, for which u = r² / 2 std² is Gamma(D/2) truncated at 9/2: *spread* = √mean r² / the Gaussian's, and
*ks* is the Kolmogorov-Smirnov distance of u from its distribution.

energy = nm/(n + m) (2 mean|x − y| − mean|x − x′| − mean|y − y′|) / mean|y − y′| over distinct y, for n generated samples x and
m reference samples y: the energy distance in units of its expectation for n real samples, so 1 on average for a perfect model.
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

RADIUS = 3  # of high quality, in standard deviations
ENERGY_SAMPLES = 2500  # reference samples of the energy distance
CHUNK_SIZE = 500  # rows of the distance matrix in memory


class ModeCoverage(GenerativeMetric):
    """Count the captured `modes`; `high_quality` is a share, `reverse_kl` in nats, `spread` and `energy` are best at 1."""

    maximize: ClassVar[dict[str, bool]] = {
        "reverse_kl": False,
        "modes": True,
        "high_quality": True,
        "reverse_kl_excess": False,
        "ks": False,
        "energy": False,
    }
    nonzero_floor: ClassVar[tuple[str, ...]] = ("reverse_kl", "ks", "energy")
    generated: list[Tensor]  # (n, D) each

    def __init__(self, num_samples: NumSamples = 2500) -> None:
        super().__init__(num_samples)
        self.modes, self.std = torch.zeros(1, 1), 1.0
        self.reference, self.reference_distance = torch.zeros(1, 1), torch.tensor(0.0)
        self.add_state("generated", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Points):
            return "mode coverage needs data whose modes are known, such as data=ring or data=grid; use metric=none"
        if not data.std:
            return "mode coverage needs modes that have a width, such as those of data=ring; use metric=distance"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Points)
        self.modes, self.std = reference.data.modes.double(), reference.data.std
        self.reference = reference.samples(ENERGY_SAMPLES).real.double()
        self.reference_distance = mean_pair_distance(self.reference, self.reference)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.generated.append(samples)

    def compute(self) -> dict[str, Tensor]:
        samples = dim_zero_cat(self.generated).double() if len(self.generated) else self.modes[:0]
        if not len(samples):
            raise TooFewSamplesError("mode_coverage: at least 1 generated sample is needed, not 0")
        points = samples[samples.isfinite().all(1)]  # the others have no nearest mode, and count as low quality
        distance, mode = torch.cdist(points, self.modes.to(points.device)).min(1)
        good = distance <= RADIUS * self.std
        k = len(self.modes)
        share = mode.bincount(minlength=k).double() / len(mode)
        kl = torch.special.xlogy(share, share).sum() + math.log(k)
        return {
            "reverse_kl": kl,
            "modes": (mode[good].bincount(minlength=k) > 0).sum(),
            "high_quality": good.sum().double() / len(samples),
            "reverse_kl_excess": kl - (expected_kl(torch.full((k,), 1 / k), len(mode)) if len(mode) else 0),
            **compare_radii(distance[good].square() / (2 * self.std**2), points.shape[1]),
            "energy": self.energy(points),
        }

    def energy(self, points: Tensor) -> Tensor:  # (n, D) -> ()
        """Return the energy distance from the reference samples, in units of its expectation for n real samples."""
        n, m, reference = len(points), len(self.reference), self.reference.to(points.device)
        cross, among = mean_pair_distance(points, reference), mean_pair_distance(points, points)
        difference = 2 * cross - among - self.reference_distance
        expected = self.reference_distance * m / (m - 1)
        return n * m / (n + m) * difference / expected if n else torch.tensor(float("nan"))


def compare_radii(u: Tensor, dimensions: int) -> dict[str, Tensor]:  # (n,)
    """Return `spread` and `ks` of squared radii in units of 2 std²; NaN for none."""
    half, end = torch.tensor(dimensions / 2, dtype=torch.float64, device=u.device), u.new_tensor(RADIUS**2 / 2)
    if not len(u):
        return dict.fromkeys(("spread", "ks"), torch.tensor(float("nan")))
    inside = gammainc(half, end)
    expected = gammainc(half, u.sort().values) / inside
    rank = torch.arange(len(u) + 1, dtype=torch.float64, device=u.device) / len(u)
    return {
        "spread": (u.mean() / (half * gammainc(half + 1, end) / inside)).sqrt(),
        "ks": torch.maximum(rank[1:] - expected, expected - rank[:-1]).max(),
    }


def mean_pair_distance(x: Tensor, y: Tensor) -> Tensor:  # (n, D), (m, D) -> ()
    """Return the mean distance over all pairs of rows."""
    return torch.stack([torch.cdist(chunk, y).sum() for chunk in torch.split(x, CHUNK_SIZE)]).sum() / (len(x) * len(y))
