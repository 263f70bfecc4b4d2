"""The Fréchet distance between generated and real features, each set taken for a Gaussian; FID if they are Inception's.

fid = |m₁ − m₂|² + tr S₁ + tr S₂ − 2 tr (S₁S₂)^½. With S₂ = root rootᵀ the last trace is the sum of the singular values of
X₁ root / √(n₁ − 1), X₁ the centred features: exact, also where samples are fewer than dimensions and S singular.
Heusel et al. 2017, equation 6 (Dowson & Landau 1982).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric
from gan_lightning.metric.reference import Reference


class FID(FeatureMetric):
    """In squared units of the features; 0 for the same mean and covariance. It falls with the number of samples."""

    maximize: ClassVar[dict[str, bool]] = {"fid": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("fid",)

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        self.root = root(self.real - self.real.mean(0)) if len(self.real) >= self.least else torch.empty(0, 0)

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        return {"fid": frechet(fake, real, self.root)}


def frechet(fake: Tensor, real: Tensor, root: Tensor) -> Tensor:  # (N, F), (M, F), (F, R) -> ()
    """The distance; `root` is the real covariance's."""
    n, mean = len(fake), fake.mean(0)
    centred = fake - mean
    if n < fake.shape[1]:
        overlap = torch.linalg.svdvals(centred @ root).sum() / (n - 1) ** 0.5
    else:
        product = root.T @ (centred.T @ centred) @ root / (n - 1)
        overlap = torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum()
    spreads = centred.square().sum() / (n - 1) + root.square().sum()
    return (mean - real.mean(0)).square().sum() + spreads - 2 * overlap


def root(centred: Tensor) -> Tensor:  # (M, F) -> (F, R), R the rank at most
    """Whose product with its transpose is the covariance."""
    m, dimensions = centred.shape
    if m < dimensions:
        return centred.T / (m - 1) ** 0.5
    variance, direction = torch.linalg.eigh(centred.T @ centred / (m - 1))
    there = variance > dimensions * torch.finfo(variance.dtype).eps * variance[-1]
    return direction[:, there] * variance[there].sqrt()
