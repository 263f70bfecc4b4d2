"""The rules of `data=cadences` in generated rolls: which samples keep all of them, and which combinations are found.

valid           share of samples that equal a combination of progression and melody in every cell
progression     share of samples whose three lower voices equal a progression
melody          share of samples whose soprano equals a melody
combinations    number of the 96 combinations among the valid samples
wrong_cells     mean number of cells that differ from the nearest combination, of the sample's V · T · P
reverse_kl_excess  divergence of the valid samples' combinations from the uniform distribution, above that of as many true draws
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.cadences import Cadences, chord_rolls, melody_rolls
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.multinomial import expected_kl
from gan_lightning.metric.reference import Reference


class CadenceRules(GenerativeMetric):
    """Compare each sample with all progressions and all melodies."""

    maximize: ClassVar[dict[str, bool]] = {
        "valid": True,
        "combinations": True,
        "wrong_cells": False,
        "reverse_kl_excess": False,
    }
    nearest: list[Tensor]  # (n, 4) each: progression, its wrong cells, melody, its wrong cells

    def __init__(self, num_samples: NumSamples = 2000) -> None:
        super().__init__(num_samples)
        self.chords, self.melodies = torch.zeros(1, 1), torch.zeros(1, 1)
        self.add_state("nearest", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return None if isinstance(data, Cadences) else "the rules are those of data=cadences; use metric=none"

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Cadences)
        self.chords = chord_rolls(reference.data).flatten(1)
        self.melodies = melody_rolls(reference.data).flatten(1)

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        binary = torch.where(samples > 0, 1.0, -1.0)
        parts = ((binary[:, 1:], self.chords), (binary[:, :1], self.melodies))
        found = [nearest_template(x.flatten(1), templates.to(x.device)) for x, templates in parts]
        self.nearest.append(torch.cat(found, 1))

    def compute(self) -> dict[str, Tensor]:
        nearest = dim_zero_cat(self.nearest) if len(self.nearest) else torch.empty(0, 4)
        if not len(nearest):
            raise TooFewSamplesError("cadence_rules: at least 1 generated sample is needed, not 0")
        progression, wrong_chords, melody, wrong_melody = nearest.double().T
        valid = (wrong_chords == 0) & (wrong_melody == 0)
        total = len(self.chords) * len(self.melodies)
        combination = (progression * len(self.melodies) + melody)[valid].long()
        counts = combination.bincount(minlength=total).double()
        share = counts / counts.sum()  # NaN without a valid sample, and so is the divergence
        kl = torch.special.xlogy(share, share).sum() + math.log(total)
        return {
            "valid": valid.double().mean(),
            "combinations": (counts > 0).sum(),
            "wrong_cells": (wrong_chords + wrong_melody).mean(),
            "reverse_kl_excess": kl
            - (expected_kl(torch.full((total,), 1 / total), len(combination)) if len(combination) else 0),
            "progression": (wrong_chords == 0).double().mean(),
            "melody": (wrong_melody == 0).double().mean(),
        }


def nearest_template(x: Tensor, templates: Tensor) -> Tensor:  # (n, D), (K, D) of −1 and 1 -> (n, 2)
    """Return the nearest template of each row, and in how many cells the row differs from it."""
    agreement, template = (x @ templates.T).max(1)  # cells that agree minus cells that differ
    return torch.stack([template.to(x.dtype), (templates.shape[1] - agreement) / 2], 1)
