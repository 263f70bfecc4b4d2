"""The kernel distance between generated and real features; KID if they are Inception's.

kid = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y), k(a, b) = (a·b / F + 1)³, over all pairs of distinct samples: the
unbiased squared maximum mean discrepancy, 0 on average for a perfect generator however few the samples, so unlike FID it can
be compared between counts. Bińkowski et al. 2018, equation 4; of whole sets instead of subsets, which their
order would choose.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lightning.metric.base import FeatureMetric, evenly_spaced
from gan_lightning.metric.reference import Reference

COMPARED = 10_000  # real samples at most
PART = 500


class KID(FeatureMetric):
    """It may fall a little below 0."""

    maximize: ClassVar[dict[str, bool]] = {"kid": False}

    def set_reference(self, reference: Reference) -> None:
        super().set_reference(reference)
        self.real = evenly_spaced(self.real, COMPARED)
        self.among = among(self.real)

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        return {"kid": among(fake) + self.among - 2 * kernel_sum(fake, real) / (len(fake) * len(real))}


def among(x: Tensor) -> Tensor:  # (N, F) -> ()
    """The kernel's mean over pairs of distinct rows."""
    n, dimensions = x.shape
    itself = (x.square().sum(1) / dimensions + 1).pow(3).sum()
    return (kernel_sum(x, x) - itself) / (n * (n - 1)) if n > 1 else torch.tensor(float("nan"))


def kernel_sum(x: Tensor, y: Tensor) -> Tensor:  # (N, F), (M, F) -> ()
    """Over all pairs."""
    return torch.stack([(part @ y.T / x.shape[1] + 1).pow(3).sum() for part in torch.split(x, PART)]).sum()
