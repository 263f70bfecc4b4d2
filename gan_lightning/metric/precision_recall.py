"""Whether samples look real, and whether everything real can be drawn: two questions that one distance mixes up.

The *ball* of a sample reaches to its k-th nearest neighbour on its own side, in the space of features.
precision = share of generated samples that lie in a real sample's ball; recall = share of real samples that lie in a generated
sample's, k = 3. Kynkäänniemi et al. 2019, equations 1 and 2.
density = mean number of real balls that a generated sample lies in / k; coverage = share of real balls in which a generated
sample lies, k = 5: an outlier among real samples has a large ball, which weighs less so. Naeem et al. 2020, section 3.
As many real samples as generated ones are compared, where there are so many.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric, evenly_spaced
from gan_lightning.metric.pairs import PART, distances

NEAR, WIDE = 3, 5  # k of precision and recall, of density and coverage


class PrecisionRecall(FeatureMetric):
    """Shares in [0, 1]; `density` is about 1 for real samples and may be more."""

    maximize: ClassVar[dict[str, bool]] = {"precision": True, "recall": True, "density": True, "coverage": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("precision", "recall", "density", "coverage")
    least: ClassVar[int] = WIDE + 1

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        real = evenly_spaced(real, len(fake))
        fake_near, _ = radii(fake)
        real_near, real_wide = radii(real)
        recalled = torch.zeros(len(real), dtype=torch.bool)
        closest = torch.full((len(real),), float("inf"), dtype=torch.float64)
        precise = density = 0.0
        for apart, reach in zip(distances(fake, real), torch.split(fake_near.unsqueeze(1), PART), strict=True):
            precise += float((apart <= real_near).any(1).sum())
            density += float((apart <= real_wide).sum())
            recalled |= (apart <= reach).any(0)
            closest = torch.minimum(closest, apart.amin(0))
        return {
            "precision": torch.tensor(precise / len(fake)),
            "recall": recalled.double().mean(),
            "density": torch.tensor(density / (WIDE * len(fake))),
            "coverage": (closest <= real_wide).double().mean(),
        }


def radii(x: Tensor) -> tuple[Tensor, Tensor]:  # (N, F) -> (N,), (N,)
    """The distances to the NEAR-th and to the WIDE-th other row."""
    near = torch.cat([distance.topk(WIDE, largest=False).values for distance in distances(x, x)])
    return near[:, NEAR - 1], near[:, WIDE - 1]
