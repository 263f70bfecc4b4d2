"""Samplers: what they draw is distributed like the data if the density ratio is right, and is a function of the position."""

import importlib

import pytest
import torch
import yaml
from scipy.stats import kstest
from tiny_gan import make_gan

from gan_lightning.config.compose import config_dir
from gan_lightning.data.base import DataError
from gan_lightning.data.points import Mixture
from gan_lightning.sampler.base import Sampler
from gan_lightning.sampler.calibration import calibrate
from gan_lightning.sampler.metropolis_hastings import MetropolisHastings
from gan_lightning.sampler.rejection import Rejection
from gan_lightning.sampler.selected_samples import SelectedSamples

OPTIONS = sorted(path.stem for path in (config_dir() / "sampler").glob("*.yaml"))


def option(name):
    node = yaml.safe_load((config_dir() / "sampler" / f"{name}.yaml").read_text())
    module, _, cls = node.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), cls)(**node)


class Wide:
    """Proposals from N(0, 2²) for data from N(0, 1): log p / q = log 2 − (1 − 1/4) x² / 2."""

    def __init__(self):
        self.proposed = 0

    def numbers(self, positions, attempt, kind):
        made = [torch.Generator().manual_seed(1000 * attempt + 2 * int(p) + kind) for p in positions]
        return torch.stack([torch.rand(1, generator=g).squeeze() for g in made])

    def propose(self, positions, attempt):
        self.proposed += len(positions)
        x = 2 * torch.erfinv(2 * self.numbers(positions, 7919 * (attempt + 1), 0).clamp(1e-6, 1 - 1e-6) - 1) * 2**0.5
        return x.unsqueeze(1), self.log_ratio(x)

    def uniform(self, positions, attempt):
        return self.numbers(positions, 104729 * (attempt + 1), 1)

    @staticmethod
    def log_ratio(x):
        return torch.tensor(2.0).log() - 0.375 * x.square()


def ready(sampler):
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(4000, generator=generator), 2 * torch.randn(4000, generator=generator)
    sampler.setup(Wide.log_ratio(real), Wide.log_ratio(fake))
    return sampler


def exact_rejection():
    """γ = 0, as in rejection sampling without the paper's shift."""
    sampler = ready(Rejection())
    sampler.gamma = torch.tensor(0.0)
    return sampler


@pytest.mark.parametrize("sampler", [exact_rejection(), ready(MetropolisHastings(30))], ids=["rejection", "mh"])
def test_samples_follow_the_data(sampler):
    positions = torch.arange(1500)
    drawn = sampler.draw(Wide(), positions).squeeze(1).numpy()
    assert kstest(drawn, "norm").pvalue > 0.01
    without = Wide().propose(positions, 0)[0].squeeze(1).numpy()
    assert kstest(without, "norm").pvalue < 1e-9  # the control


def test_exact_rejection_accepts_as_many_as_it_should():
    proposals = Wide()
    exact_rejection().draw(proposals, torch.arange(2000))
    assert 2000 / proposals.proposed == pytest.approx(0.5, abs=0.03)  # 1 / max of p / q = 1/2


@pytest.mark.parametrize("percentile", [20, 80, 95])
def test_a_larger_percentile_accepts_fewer_and_better_samples(percentile):
    fewer, more = ready(Rejection(percentile)), ready(Rejection(max(percentile - 20, 0)))
    counts, spreads = [], []
    for sampler in (fewer, more):
        proposals = Wide()
        spreads.append(float(sampler.draw(proposals, torch.arange(500)).std()))
        counts.append(proposals.proposed)
    assert counts[0] > counts[1]
    assert spreads[0] < spreads[1]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_sample_is_a_function_of_its_position(name):
    assert len(OPTIONS) >= 2
    sampler = ready(option(name))
    assert isinstance(sampler, Sampler)
    whole = sampler.draw(Wide(), torch.arange(20, 60))
    parts = [sampler.draw(Wide(), torch.arange(*ends)) for ends in ((20, 33), (33, 60))]
    assert torch.equal(whole, torch.cat(parts))
    assert whole.shape == (40, 1)


@pytest.mark.parametrize("sampler", [Rejection(80, 3), MetropolisHastings(3)])
def test_where_nothing_is_accepted_a_sample_is_drawn_all_the_same(sampler):
    class Refused(Wide):
        def uniform(self, positions, attempt):
            return torch.ones(len(positions))

    proposals = Refused()
    ready(sampler).draw(proposals, torch.arange(5))
    assert proposals.proposed == 15
    sampler.setup(torch.full((5,), 9.0), torch.full((5,), 9.0))
    drawn = sampler.draw(proposals, torch.arange(5))
    candidates = torch.stack([proposals.propose(torch.arange(5), attempt)[0] for attempt in range(3)])
    best = candidates[-1] if isinstance(sampler, Rejection) else candidates.gather(0, candidates.abs().argmin(0)[None])[0]
    assert torch.equal(drawn, best)


def test_logits_are_calibrated():
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(20_000, generator=generator) + mean for mean in (1.0, -1.0))
    found = calibrate(3 * real + 5, 3 * fake[:5000] + 5)  # the log density ratio is 2x
    assert found.slope == pytest.approx(2 / 3, rel=0.05)
    assert found.offset == pytest.approx(-10 / 3, rel=0.05)
    torch.testing.assert_close(found(torch.tensor([5.0])), torch.tensor([0.0]), atol=0.1, rtol=0)


def test_a_discriminator_that_is_wrong_selects_nothing():
    found = calibrate(torch.randn(500) - 1, torch.randn(500) + 1)
    assert found == (0.0, 0.0)
    assert calibrate(torch.zeros(5), torch.zeros(9)) == (0.0, 0.0)


def classes(start, n):
    return torch.arange(start, start + n) % 3


def selected(gan, sampler, conditions=lambda start, n: None, held_out=None, seed=0):
    held_out = Mixture(torch.eye(2), 0.1) if held_out is None else held_out
    return SelectedSamples(gan, conditions, sampler, held_out, lambda start, n: conditions(0, n), seed)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_gan_s_samples_are_selected(name):
    gan = make_gan((2,))
    source = selected(gan, option(name))
    batch = source.part(30, 40)
    assert batch.real.shape == (40, 2)
    assert batch.condition is None
    torch.testing.assert_close(torch.cat([source.part(30, 15).real, source.part(45, 25).real]), batch.real)
    assert not torch.equal(selected(gan, option(name), seed=1).part(30, 40).real, batch.real)
    assert 0 < source.accepted < 1
    assert source.drawn == 80
    assert name.partition("_")[0] in source.selection.lower()
    assert f"{source.accepted:.1%} of {source.proposed} kept" in source.selection


def test_each_sample_has_the_condition_that_was_asked_for():
    gan = make_gan((2,), num_classes=3)
    seen = []

    class Told(torch.nn.Module):
        def forward(self, x, condition):
            seen.append(condition)
            return gan.generator(x, condition)

    held_out = Mixture(torch.eye(2), 0.1)
    draw = held_out.part
    held_out.part = lambda start, n: draw(start, n)._replace(condition=classes(start, n))
    source = selected(gan, Rejection(), classes, held_out)
    source.generated.network = Told()
    batch = source.part(10, 20)
    assert torch.equal(batch.condition, classes(10, 20))
    assert len(seen) > 1
    assert torch.equal(seen[0], classes(10, 20))


def test_what_can_t_be_calibrated():
    with pytest.raises(DataError, match=r"^sampler: D scores 2 samples together; a sampler needs a run with gan\.packing=1$"):
        selected(make_gan((2,), packing=2), Rejection())

    class Empty(Mixture):
        def __len__(self):
            return 0

    empty = Empty(torch.eye(2), 0.1)
    empty.strata = None
    with pytest.raises(DataError, match="the validation split is empty"):
        selected(make_gan((2,)), Rejection(), held_out=empty)
    broken = make_gan((2,))
    torch.nn.init.constant_(next(broken.discriminator.parameters()), float("nan"))
    with pytest.raises(DataError, match=r"^sampler: D's outputs are not finite numbers; use an earlier checkpoint="):
        selected(broken, Rejection())
