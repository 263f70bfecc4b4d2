"""The flattened sample values as features: for points, and for images small enough to be compared pixel by pixel."""

from __future__ import annotations

from torch import Tensor

from gan_lightning.metric.feature.base import Feature, Reading


class Raw(Feature):
    """Return one feature for each value of a sample."""

    name = "raw"

    def extract(self, samples: Tensor) -> Reading:
        return Reading(samples.flatten(1))
