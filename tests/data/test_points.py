"""Ring, grid, line and the one point: mixtures whose moments are known."""

import math

import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.dirac import Dirac
from gan_lightning.data.grid import Grid
from gan_lightning.data.line import Line
from gan_lightning.data.ring import Ring

PLANE = {"sample_shape": (2,), "num_classes": 0}
ring, grid = Ring(**PLANE), Grid(**PLANE)
both = pytest.mark.parametrize("data", [ring, grid], ids=["ring", "grid"])


def many(data):
    return data.splits.train.batch(seed=0, i=0, n=40000).real


def test_the_centres_of_a_ring():
    r = math.sqrt(0.5)
    expected = [[1, 0], [r, r], [0, 1], [-r, r], [-1, 0], [-r, -r], [0, -1], [r, -r]]
    torch.testing.assert_close(ring.modes, torch.tensor(expected), rtol=0, atol=1e-6)
    assert ring.std == 0.01
    wide = Ring(modes=3, radius=2.0, std=0.5, **PLANE)
    torch.testing.assert_close(wide.modes, torch.tensor([[2, 0], [-1, math.sqrt(3)], [-1, -math.sqrt(3)]]), rtol=0, atol=1e-6)
    assert wide.std == 0.5


def test_the_centres_of_a_grid():
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert set(map(tuple, grid.modes.tolist())) == expected
    assert len(grid.modes) == 25
    assert Grid(side=2, spacing=3.0, **PLANE).modes.tolist() == [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5], [1.5, 1.5]]


# the variance of a coordinate is that of the centres, 1/2 on the ring and 8 on the grid, and that of a mode
@pytest.mark.parametrize(("data", "variance"), [(ring, 0.5 + 1e-4), (grid, 8 + 25e-4)], ids=["ring", "grid"])
def test_moments(data, variance):
    found = many(data)
    assert (found.shape, found.dtype) == ((40000, 2), torch.float32)
    assert found.mean(0).abs().max() < 0.02 * variance**0.5
    torch.testing.assert_close(found.T.cov(), variance * torch.eye(2), rtol=0.02, atol=0.02 * variance)


@both
def test_every_mode_has_its_share_and_its_width(data):
    found = many(data)
    offset, which = torch.cdist(found, data.modes).min(1)
    share = which.bincount(minlength=len(data.modes)) / len(found)
    torch.testing.assert_close(share, torch.full_like(share, 1 / len(data.modes)), rtol=0.1, atol=0)
    for mode, centre in enumerate(data.modes):
        around = found[which == mode] - centre
        torch.testing.assert_close(around.std(0), torch.full((2,), data.std), rtol=0.06, atol=0)
    # 3 standard deviations hold 1 − exp(−9/2) of a Gaussian in the plane
    assert (offset <= 3 * data.std).float().mean() == pytest.approx(0.98889, abs=0.003)


@both
def test_the_first_are_always_the_same_and_others_in_each_split(data):
    drawn = [part.part(0, 100).real for part in data.splits]
    again = [part.part(0, 100).real for part in type(data)(**PLANE).splits]
    assert all(torch.equal(one, other) for one, other in zip(drawn, again, strict=True))
    assert len({tuple(points.flatten().tolist()) for points in drawn}) == 3
    assert not torch.equal(drawn[0], data.splits.train.batch(seed=0, i=0, n=100).real)


@both
def test_points_do_not_run_out_and_have_no_labels(data):
    assert data.count() is None
    assert data.splits.train.batch(seed=0, i=10**9, n=3).condition is None


@pytest.mark.parametrize("cls", [Ring, Grid])
def test_points_of_another_kind_are_refused(cls):
    with pytest.raises(DataError, match=r"^data\.sample_shape: \[3\] is no shape of points in the plane; allowed: \[2\]$"):
        cls(sample_shape=(3,), num_classes=0).count()
    with pytest.raises(DataError, match=r"^data\.num_classes: the points are unlabelled, 0, not 8$"):
        cls(sample_shape=(2,), num_classes=8).count()


def test_the_one_point_is_zero():
    data = Dirac(sample_shape=(1,), num_classes=0)
    assert data.count() is None
    assert data.splits.train.batch(seed=3, i=2, n=5).real.tolist() == [[0.0]] * 5
    assert data.splits.test.part(0, 3).real.tolist() == [[0.0]] * 3


@pytest.mark.parametrize(("shape", "classes"), [((2,), 0), ((1,), 2), ((1, 1), 0)])
def test_the_one_point_has_one_dimension_and_no_class(shape, classes):
    with pytest.raises(DataError, match=r"sample_shape \[1\] and num_classes 0$"):
        Dirac(sample_shape=shape, num_classes=classes).count()


def test_the_density_of_a_line():
    line = Line(centres=(-1, 2), std=0.5, sample_shape=(1,), num_classes=0)
    assert line.modes.tolist() == [[-1.0], [2.0]]
    peak = 1 / (0.5 * math.sqrt(2 * math.pi))
    x = torch.tensor([-1.0, 2.5], dtype=torch.float64)
    expected = [peak * (1 + math.exp(-18)) / 2, peak * (math.exp(-0.5) + math.exp(-24.5)) / 2]
    torch.testing.assert_close(line.density(x), torch.tensor(expected, dtype=torch.float64))
    grid = torch.linspace(-6, 7, 2001, dtype=torch.float64)
    assert float(torch.trapezoid(line.density(grid), grid)) == pytest.approx(1, abs=1e-6)


def test_points_on_a_line_follow_the_density():
    line = Line(sample_shape=(1,), num_classes=0)
    found, edges = many(line), torch.linspace(-3, 3, 13)
    assert (found.shape, line.count(), line.modes.tolist(), line.std) == ((40000, 1), None, [[-1.0], [1.0]], 0.5)
    share = torch.histogram(found.squeeze(1), edges).hist / len(found)
    fine = torch.linspace(-3, 3, 1201)
    below = torch.cumulative_trapezoid(line.density(fine), fine)
    expected = torch.cat([torch.zeros(1), below])[::100].diff()
    torch.testing.assert_close(share, expected, rtol=0, atol=0.01)


def test_points_not_on_a_line_are_refused():
    with pytest.raises(DataError, match=r"^data\.sample_shape: \[2\] is no shape of points on the line; allowed: \[1\]$"):
        Line(sample_shape=(2,), num_classes=0).count()
    with pytest.raises(DataError, match=r"^data\.num_classes: the points are unlabelled, 0, not 2$"):
        Line(sample_shape=(1,), num_classes=2).count()
