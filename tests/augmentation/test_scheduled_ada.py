"""ADA's transforms by a schedule: the probability by hand, whatever D says."""

import pytest
import torch

from gan_lightning.augmentation.scheduled_ada import ScheduledADA
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Cosine


def test_the_probability_rises_along_half_a_cosine_over_the_decay_period():
    ada = ScheduledADA(0.3, Cosine(start=0.0, final=1.0, decay_fraction=0.4))
    for step, p in ((0, 0.0), (10, 0.3 * (1 - 0.5**0.5) / 2), (20, 0.15), (40, 0.3), (100, 0.3)):
        ada.advance(Progress(step, 100))
        for _ in range(4):
            ada.update(torch.full((8,), 5.0))  # ADA would raise it
        assert ada.p.item() == pytest.approx(p, abs=1e-6)


def test_nothing_changes_at_0_and_all_samples_at_1():
    torch.manual_seed(0)
    x, ada = torch.rand(64, 3, 8, 8), ScheduledADA(1.0, Cosine(start=0.0, final=2.0))
    ada.advance(Progress(0, 100))
    torch.testing.assert_close(ada(x), x, rtol=0, atol=1e-4)
    ada.advance(Progress(100, 100))
    assert ada.p.item() == 1
    assert ((ada(x) - x).abs().amax((1, 2, 3)) > 0.05).all()
    constant = ScheduledADA(0.3, Constant())
    constant.advance(Progress(0, 100))
    assert constant.p.item() == pytest.approx(0.3)
