"""The progress of a run reaches every module that has `advance`, at any depth, and no other."""

import pytest
from torch import nn

from gan_lightning.step.progress import Progress, advance


class Timed(nn.Module):
    """Keeps the progress that it gets."""

    def __init__(self, *inner):
        super().__init__()
        self.inner, self.seen = nn.ModuleList(inner), []

    def advance(self, progress):
        self.seen.append(progress)


@pytest.mark.parametrize(("step", "max_steps", "fraction"), [(0, 10, 0.0), (5, 20, 0.25), (10, 10, 1.0), (0, 0, 0.0)])
def test_the_fraction(step, max_steps, fraction):
    assert Progress(step, max_steps).fraction == fraction


def test_every_scheduled_module_gets_it_once():
    deep = Timed()
    middle = Timed(nn.Linear(1, 1), deep)
    root = Timed(nn.Sequential(middle), middle)
    advance(root, Progress(3, 9))
    assert (root.seen, middle.seen, deep.seen) == ([], [Progress(3, 9)], [Progress(3, 9)])
