"""Every prior that conf/prior names: its shape, its moments, and the way between two of its points."""

import math

import pytest
import torch
import yaml
from discovery import classes
from torch import tensor

from gan_lightning import prior as room
from gan_lightning.config.compose import config_dir
from gan_lightning.config.instantiate import instantiate
from gan_lightning.prior.base import Prior, slerp
from gan_lightning.prior.coded_gaussian import CodedGaussian
from gan_lightning.prior.gaussian import Gaussian
from gan_lightning.prior.sphere import Sphere
from gan_lightning.prior.uniform import Uniform

CPU = torch.device("cpu")
# name → the variance of a coordinate, where every mean is 0
VARIANCE = {"binary_gaussian": 1.0, "gaussian": 1.0, "sphere": 1.0, "uniform": 1 / 3}

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "prior").glob("*.yaml"))}
OPTIONS = {name: node for name, node in FILES.items() if "_target_" in node}
every = pytest.mark.parametrize("name", OPTIONS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_there_are_priors():
    assert OPTIONS
    assert classes(room, Prior)


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node["_target_"] for node in OPTIONS.values()} == classes(room, Prior)
    assert all("defaults" in node for name, node in FILES.items() if name not in OPTIONS)


@every
@pytest.mark.parametrize(("n", "dim"), [(1, 1), (5, 3), (64, 128)])
def test_shape(name, n, dim):
    z = instantiate(OPTIONS[name]).sample(n, dim, CPU)
    assert (z.shape, z.dtype) == ((n, dim), torch.float32)
    assert z.isfinite().all()


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - {"coded_gaussian"}))
def test_moments(name):
    assert name in VARIANCE, f"conf/prior/{name}.yaml has no variance: add a row for it to VARIANCE in {__file__}"
    z = instantiate(OPTIONS[name]).sample(40000, 16, CPU, seeded())
    expected = torch.eye(16) * VARIANCE[name]
    assert z.mean(0).abs().max() < 0.02
    torch.testing.assert_close(z.T.cov(), expected, rtol=0, atol=0.03)


@every
def test_the_same_generator_gives_the_same_points(name):
    prior = instantiate(OPTIONS[name])
    one, again, other = (prior.sample(6, 4, CPU, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@every
def test_a_generator_of_its_own_leaves_the_default_one_alone(name):
    before = torch.get_rng_state()
    instantiate(OPTIONS[name]).sample(6, 4, CPU, seeded())
    assert torch.equal(before, torch.get_rng_state())


@every
def test_without_a_generator_the_default_one_is_drawn_from(name):
    drawn = []
    with torch.random.fork_rng(devices=[]):
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            drawn.append(instantiate(OPTIONS[name]).sample(6, 4, CPU))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_uniform_fills_its_cube_and_stays_inside():
    z = Uniform().sample(10000, 2, CPU, seeded())
    assert z.abs().max() <= 1
    assert z.min() < -0.999
    assert z.max() > 0.999


@pytest.mark.parametrize("dim", [1, 2, 64])
def test_a_sphere_has_radius_root_dim(dim):
    lengths = Sphere().sample(1000, dim, CPU, seeded()).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((1000,), math.sqrt(dim)), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("limit", "std"), [(0.5, 0.2842), (1.0, 0.5396), (2.0, 0.8796)])
def test_a_truncated_gaussian_stays_within_and_keeps_its_form(limit, std):
    """Its variance is 1 − 2 · limit · φ(limit) / (Φ(limit) − Φ(−limit)); nothing gathers at the limits."""
    z = Gaussian().sample_truncated(4000, 8, limit, seeded())
    assert z.shape == (4000, 8)
    assert z.abs().max() <= limit
    assert len(z.unique()) > 0.95 * z.numel()
    assert z.mean() == pytest.approx(0, abs=0.02)
    assert z.std() == pytest.approx(std, rel=0.02)
    assert torch.equal(z, Gaussian().sample_truncated(4000, 8, limit, seeded()))


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - {"gaussian"}))
def test_only_a_gaussian_has_tails_to_cut(name):
    prior = instantiate(OPTIONS[name])
    with pytest.raises(ValueError, match=f"truncation .* the prior is {type(prior).__name__}, which has none$"):
        prior.sample_truncated(4, 4, 1.0, seeded())


@every
@pytest.mark.parametrize("dim", [1, 2, 64])
def test_the_way_begins_and_ends_at_its_points(name, dim):
    prior = instantiate(OPTIONS[name])
    start, end = prior.sample(32, dim, CPU, seeded(0)), prior.sample(32, dim, CPU, seeded(1))
    torch.testing.assert_close(prior.interpolate(start, end, torch.zeros(32)), start, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(prior.interpolate(start, end, torch.ones(32)), end, rtol=1e-5, atol=1e-6)


@every
def test_the_way_there_is_the_way_back(name):
    prior, share = instantiate(OPTIONS[name]), torch.linspace(0, 1, 32)
    start, end = prior.sample(32, 16, CPU, seeded(0)), prior.sample(32, 16, CPU, seeded(1))
    there, back = prior.interpolate(start, end, share), prior.interpolate(end, start, 1 - share)
    torch.testing.assert_close(there, back, rtol=1e-4, atol=1e-5)


def test_codes_are_one_category_and_numbers_between_minus_1_and_1():
    prior = CodedGaussian(num_categories=4, num_continuous=2)
    z = prior.sample(20000, 16, CPU, seeded())
    assert prior.min_dim == 6
    assert torch.equal(z[:, :4].sum(1), torch.ones(20000))
    assert set(z[:, :4].unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(z[:, :4].mean(0), torch.full((4,), 0.25), rtol=0, atol=0.02)
    assert z[:, 4:6].abs().max() <= 1
    torch.testing.assert_close(z[:, 4:6].var(0), torch.full((2,), 1 / 3), rtol=0, atol=0.01)
    torch.testing.assert_close(z[:, 6:].T.cov(), torch.eye(10), rtol=0, atol=0.05)


def test_uniform_goes_straight():
    found = Uniform().interpolate(tensor([[0.0, 1.0]]), tensor([[1.0, -1.0]]), tensor([0.25]))
    torch.testing.assert_close(found, tensor([[0.25, 0.5]]))


def test_slerp_by_hand():
    """A quarter circle; its length goes from 1 to 3 in a straight line."""
    share = tensor([0.0, 1 / 3, 0.5, 1.0])
    found = slerp(tensor([[1.0, 0.0]]).expand(4, 2), tensor([[0.0, 3.0]]).expand(4, 2), share)
    half, third = math.sqrt(2), 5 / 3  # 2 · cos 45°; a third of the way the length is 5/3, the angle 30°
    expected = tensor([[1.0, 0.0], [third * math.sqrt(3) / 2, third / 2], [half, half], [0.0, 3.0]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dim", [2, 64])
def test_on_a_sphere_the_radius_stays_and_the_angle_goes_evenly(dim):
    start, end = Sphere().sample(200, dim, CPU, seeded(0)), Sphere().sample(200, dim, CPU, seeded(1))
    whole = torch.cosine_similarity(start.double(), end.double()).acos()
    plain = (whole > 0.1) & (whole < math.pi - 0.1)
    for share in (0.1, 0.5, 0.8):
        between = Sphere().interpolate(start, end, torch.full((200,), share))[plain].double()
        torch.testing.assert_close(between.norm(dim=1), torch.full_like(whole[plain], math.sqrt(dim)), rtol=1e-4, atol=0)
        turned = torch.cosine_similarity(start[plain].double(), between).clamp(-1, 1).acos()
        torch.testing.assert_close(turned, share * whole[plain], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("prior", [Gaussian(), Sphere()])
@pytest.mark.parametrize("dim", [1, 3])
def test_where_there_is_no_great_circle_the_way_is_straight(prior, dim):
    start = torch.ones(4, dim)
    end = start * tensor([[1.0], [2.0], [-1.0], [-3.0]])
    found = prior.interpolate(start, end, torch.full((4,), 0.25))
    torch.testing.assert_close(found, torch.lerp(start, end, 0.25))


def test_the_way_past_almost_opposite_points_is_finite():
    off = tensor([0.0, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2])
    start = tensor([[1.0, 0.0]]).expand(6, 2)
    for sign in (1, -1):
        end = torch.stack([torch.full_like(off, sign), off], 1)
        found = slerp(start, end, torch.linspace(0, 1, 6))
        assert found.isfinite().all()
        assert found.norm(dim=1).max() < 1.05
