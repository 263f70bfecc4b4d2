"""The purity of a code, by hand."""

import pytest
import torch
from torch import nn, tensor
from torch.nn.functional import one_hot

from gan_lightning.metric.code_purity import CodePurity
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.step.latents import Latents


class Shown(Feature):
    """Samples are their own class."""

    factors = {"digit": 4}  # noqa: RUF012

    def extract(self, samples):
        return Reading(samples, (one_hot(samples[:, 0].long(), 4).float(),))


def score(codes, shown):
    metric = CodePurity(Shown(), num_categories=3)
    for half in (slice(0, 3), slice(3, None)):
        z = torch.cat([one_hot(tensor(codes), 3).float(), torch.randn(len(codes), 5) * 9], 1)[half]
        metric.update(tensor(shown)[half, None].float(), None, Latents(z, nn.Identity()))
    return {name: float(value) for name, value in metric.compute().items()}


def test_purity_by_hand():
    # code 0 shows class 1 twice and 2 once, code 1 class 1 twice, code 2 class 3 once
    assert score([0, 0, 0, 1, 1, 2], [1, 1, 2, 1, 1, 3]) == {"code_purity": pytest.approx(5 / 6), "code_classes": 2.0}
    assert score([0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2]) == {"code_purity": 1.0, "code_classes": 3.0}
