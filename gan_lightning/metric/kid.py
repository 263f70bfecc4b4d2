"""The kernel distance between generated and reference features; KID if they are Inception's.

kid = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y), k(a, b) = (a·b / F + 1)³, over all pairs of distinct samples

This is the unbiased squared maximum mean discrepancy: 0 on average for a perfect generator at any number of samples, so unlike
FID it can be compared between different numbers of samples. Bińkowski et al. 2018, equation 4; computed on the whole sets
instead of on subsets, which would depend on the order of the samples.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric
from gan_lightning.metric.reference import Reference

MAX_REFERENCE_SAMPLES = 10_000
CHUNK_SIZE = 500  # rows of the kernel matrix in memory


class KID(FeatureMetric):
    """Measure the kernel distance; an unbiased estimate may be slightly negative."""

    maximize: ClassVar[dict[str, bool]] = {"kid": False}

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        self.reference_features = self.reference_features[:MAX_REFERENCE_SAMPLES]
        self.reference_kernel = mean_kernel(self.reference_features)

    def compare(self, generated: Tensor, reference: Tensor) -> dict[str, Tensor]:
        cross = 2 * kernel_sum(generated, reference) / (len(generated) * len(reference))
        return {"kid": mean_kernel(generated) + self.reference_kernel - cross}


def mean_kernel(x: Tensor) -> Tensor:  # (N, F) -> ()
    """Return the mean of the kernel over all pairs of distinct rows; NaN for one row."""
    n, dimensions = x.shape
    diagonal = (x.square().sum(1) / dimensions + 1).pow(3).sum()
    return (kernel_sum(x, x) - diagonal) / (n * (n - 1)) if n > 1 else torch.tensor(float("nan"))


def kernel_sum(x: Tensor, y: Tensor) -> Tensor:  # (N, F), (M, F) -> ()
    """Return the sum of the kernel over all pairs of rows."""
    return torch.stack([(chunk @ y.T / x.shape[1] + 1).pow(3).sum() for chunk in torch.split(x, CHUNK_SIZE)]).sum()
