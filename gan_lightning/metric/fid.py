"""The Fréchet distance between the Gaussians fitted to generated and reference features; FID if they are Inception's.

fid = |m₁ − m₂|² + tr S₁ + tr S₂ − 2 tr (S₁S₂)^½

With S₂ = root rootᵀ, the last trace is the sum of the singular values of X₁ root / √(n₁ − 1), where X₁ are the centred
features. This is exact even where there are fewer samples than dimensions and S is singular. Heusel et al. 2017, equation 6
(Dowson & Landau 1982).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric
from gan_lightning.metric.reference import Reference


class FID(FeatureMetric):
    """Measure the distance in squared units of the features; 0 for equal means and covariances. It falls with num_samples."""

    maximize: ClassVar[dict[str, bool]] = {"fid": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("fid",)

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        features = self.reference_features
        enough = len(features) >= self.min_samples
        self.reference_root = covariance_root(features - features.mean(0)) if enough else torch.empty(0, 0)

    def compare(self, generated: Tensor, reference: Tensor) -> dict[str, Tensor]:
        return {"fid": frechet_distance(generated, reference, self.reference_root)}


def frechet_distance(generated: Tensor, reference: Tensor, root: Tensor) -> Tensor:  # (N, F), (M, F), (F, R) -> ()
    """Return the Fréchet distance; `root` is the `covariance_root` of the reference features."""
    n, mean = len(generated), generated.mean(0)
    centred = generated - mean
    if n < generated.shape[1]:
        overlap = torch.linalg.svdvals(centred @ root).sum() / (n - 1) ** 0.5
    else:
        product = root.T @ (centred.T @ centred) @ root / (n - 1)
        overlap = torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum()
    traces = centred.square().sum() / (n - 1) + root.square().sum()
    return (mean - reference.mean(0)).square().sum() + traces - 2 * overlap


def covariance_root(centred: Tensor) -> Tensor:  # (M, F) -> (F, R), R ≤ min(M, F)
    """Return a matrix whose product with its transpose is the covariance of centred features."""
    m, dimensions = centred.shape
    if m < dimensions:
        return centred.T / (m - 1) ** 0.5
    variance, direction = torch.linalg.eigh(centred.T @ centred / (m - 1))
    positive = variance > dimensions * torch.finfo(variance.dtype).eps * variance[-1]
    return direction[:, positive] * variance[positive].sqrt()
