"""The values themselves, flattened: for points, and for images so small that their pixels are features."""

from __future__ import annotations

from torch import Tensor

from gan_lightning.metric.feature.base import Feature, Reading


class Raw(Feature):
    """As many features as a sample has values."""

    name = "raw"

    def extract(self, samples: Tensor) -> Reading:
        return Reading(samples.flatten(1))
