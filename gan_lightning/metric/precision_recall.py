"""Precision and recall: how realistic generated samples are, and how much of the real distribution they cover.

The *ball* of a sample reaches to its k-th nearest neighbour in its own set, in feature space.

precision = share of generated samples within the ball of a reference sample
recall = share of reference samples within the ball of a generated sample
density = mean number of reference balls that contain a generated sample / k
coverage = share of reference balls that contain a generated sample

k = 3 for precision and recall: Kynkäänniemi et al. 2019, equations 1 and 2. k = 5 for density and coverage, which are less
sensitive to an outlier among the reference samples and its large ball: Naeem et al. 2020, section 3.

At most as many reference samples are compared as there are generated ones.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric
from gan_lightning.metric.pairs import CHUNK_SIZE, pair_distances

PRECISION_K, DENSITY_K = 3, 5  # of precision and recall; of density and coverage


class PrecisionRecall(FeatureMetric):
    """Measure shares in [0, 1]; `density` is about 1 for real samples and can be larger."""

    maximize: ClassVar[dict[str, bool]] = {"precision": True, "recall": True, "density": True, "coverage": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("precision", "recall", "density", "coverage")
    min_samples: ClassVar[int] = DENSITY_K + 1
    min_reference: ClassVar[int] = DENSITY_K + 1

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": min(len(self.reference_features), num_generated)}

    def compare(self, generated: Tensor, reference: Tensor) -> dict[str, Tensor]:
        reference = reference[: len(generated)]
        generated_radius, _ = radii(generated)
        small_radius, large_radius = radii(reference)
        recalled = torch.zeros(len(reference), dtype=torch.bool)
        closest = torch.full((len(reference),), float("inf"), dtype=torch.float64)
        precise = density = 0.0
        chunks = torch.split(generated_radius.unsqueeze(1), CHUNK_SIZE)
        for distance, radius in zip(pair_distances(generated, reference), chunks, strict=True):
            precise += float((distance <= small_radius).any(1).sum())
            density += float((distance <= large_radius).sum())
            recalled |= (distance <= radius).any(0)
            closest = torch.minimum(closest, distance.amin(0))
        return {
            "precision": torch.tensor(precise / len(generated)),
            "recall": recalled.double().mean(),
            "density": torch.tensor(density / (DENSITY_K * len(generated))),
            "coverage": (closest <= large_radius).double().mean(),
        }


def radii(x: Tensor) -> tuple[Tensor, Tensor]:  # (N, F) -> (N,), (N,)
    """Return the distances from each row to its PRECISION_K-th and its DENSITY_K-th nearest other row."""
    nearest = torch.cat([distance.topk(DENSITY_K, largest=False).values for distance in pair_distances(x, x)])
    return nearest[:, PRECISION_K - 1], nearest[:, DENSITY_K - 1]
