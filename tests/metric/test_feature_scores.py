"""Scores that compare features: numbers worked out by hand, closed forms, and torch-fidelity's on the same features."""

import math
from itertools import combinations

import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_lightning.data.base import Data, DataError, Splits, SplitSizes
from gan_lightning.data.store import Store
from gan_lightning.metric.base import TooFewSamplesError
from gan_lightning.metric.equilibrium import Equilibrium, auc
from gan_lightning.metric.factor_coverage import FactorCoverage
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.raw import Raw
from gan_lightning.metric.fid import FID
from gan_lightning.metric.inception_score import InceptionScore
from gan_lightning.metric.kid import KID
from gan_lightning.metric.multinomial import expected_kl
from gan_lightning.metric.nearest_neighbour import NearestNeighbour, leave_one_out
from gan_lightning.metric.precision_recall import PrecisionRecall
from gan_lightning.metric.reference import Reference


class Held(Data):
    """These training samples, and these held out."""

    def __init__(self, train, test=None, labels=None):
        train = torch.as_tensor(train).float()
        super().__init__(sample_shape=tuple(train.shape[1:]), num_classes=0)
        self.train, self.test, self.labels = train, train if test is None else torch.as_tensor(test).float(), labels

    def count(self):
        return SplitSizes(len(self.train), len(self.test), len(self.test))

    def load(self):
        own = None if self.labels is None else torch.as_tensor(self.labels).numpy()
        return Splits(Store(self.train.numpy()), Store(self.test.numpy(), own), Store(self.test.numpy(), own))


class Factors(Feature):
    """Reads as many factors of two values: sure of 0 below 0, of 1 above, unsure at 0."""

    name = "factors"

    def __init__(self, n=2):
        super().__init__()
        self.factors = {f"factor {i}": 2 for i in range(n)}

    def extract(self, samples):
        return Reading(samples, tuple(torch.stack([-20 * x, 20 * x], 1) for x in samples.unbind(1)))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path))


def score_of(kind, real, fake, **own):
    """The numbers of raw values."""
    score = kind(Raw(), **own)
    score.set_reference(Reference(Held(real), "test"))
    score.update(torch.as_tensor(fake).float(), None)
    return {key: float(value) for key, value in score.compute().items()}


def gaussian(n, d, seed, scale=1.0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


def with_moments(n, mean, covariance, seed):
    """Samples whose mean and covariance are exactly these."""
    x = gaussian(n, len(mean), seed)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / (n - 1)), x.T, upper=False)
    return (torch.linalg.cholesky(covariance) @ white).T + mean


# ── fid ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("n", [2, 20, 200])
@pytest.mark.parametrize("rank", [3, 64])
def test_fid_of_a_set_and_itself_is_0(n, rank):
    """Also where there are fewer samples than dimensions, and where features repeat one another."""
    x = gaussian(n, rank, 0, scale=5) @ gaussian(rank, 64, 1)
    assert score_of(FID, x, x)["fid"] == pytest.approx(0, abs=1e-6 * float(x.var(0).sum()))


def test_fid_of_an_image_and_itself_enlarged_is_0():
    x = torch.nn.functional.interpolate(gaussian(300, 16, 0).reshape(300, 1, 4, 4), size=(16, 16), mode="bicubic")
    assert score_of(FID, x, x)["fid"] == pytest.approx(0, abs=1e-6)


def test_fid_of_two_gaussians_is_the_closed_form():
    spreads = torch.tensor([[1.0, 2.0, 3.0], [2.0, 0.5, 3.0]]).double()
    real, fake = (
        with_moments(50, mean, spread.square().diag(), i)
        for i, (mean, spread) in enumerate(zip(torch.eye(3)[:2].double(), spreads, strict=True))
    )
    assert score_of(FID, real, fake)["fid"] == pytest.approx(2 + 1 + 2.25, abs=1e-4)


def test_fid_of_two_gaussians_that_lean_differently():
    """Covariances [[1, r], [r, 1]] and diag(4, 1): the eigenvalues of their product solve λ² − 5λ + 4 (1 − r²) = 0."""
    r = 0.8
    one = with_moments(99, torch.zeros(2).double(), torch.tensor([[1, r], [r, 1]]).double(), 0)
    two = with_moments(99, torch.ones(2).double(), torch.tensor([[4, 0], [0, 1]]).double(), 1)
    root = math.sqrt(25 - 16 * (1 - r * r))
    expected = 2 + 2 + 5 - 2 * (math.sqrt((5 + root) / 2) + math.sqrt((5 - root) / 2))
    assert score_of(FID, one, two)["fid"] == pytest.approx(expected, abs=1e-4)
    assert score_of(FID, two, one)["fid"] == pytest.approx(expected, abs=1e-4)


def test_fid_of_fewer_samples_than_dimensions_by_hand():
    """±a and ±b about 0: 2|a|² + 2|b|² − 4|a·b|."""
    a, b = torch.tensor([1.0, 0, 0, 0, 0]), torch.tensor([0.6, 0.8, 0, 0, 0])
    assert score_of(FID, torch.stack([a, -a]), torch.stack([b, -b]))["fid"] == pytest.approx(2 + 2 - 4 * 0.6, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 16), (300, 40, 64), (40, 300, 64), (50, 40, 64)])
def test_fid_is_that_of_torch_fidelity(n, m, d):
    mixed = gaussian(d, d, 9)
    fake, real = (gaussian(n, d, 0) @ mixed + 0.3).float(), (gaussian(m, d, 1, scale=1.2) @ mixed).float()
    theirs = fid_statistics_to_metric(*(fid_features_to_statistics(x.double()) for x in (fake, real)), verbose=False)
    assert score_of(FID, real, fake)["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)


def test_fid_needs_a_covariance():
    for real, fake, side in ((torch.eye(3), torch.eye(3)[:1], "generated"), (torch.eye(3)[:1], torch.eye(3), "real")):
        with pytest.raises(TooFewSamplesError, match=rf"^fid: at least 2 {side} samples are needed, not 1$"):
            score_of(FID, real, fake)


# ── kid ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_kid_by_hand():
    """k(a, b) = (ab + 1)³: 0 among ±1, 1 among 0 and 2, and 1, 27, 1, −1 between them."""
    assert score_of(KID, [[0.0], [2.0]], [[1.0], [-1.0]])["kid"] == pytest.approx(0 + 1 - 2 * 7)


def test_kid_is_that_of_torch_fidelity():
    fake, real = gaussian(150, 32, 0) + 0.2, gaussian(150, 32, 1)
    theirs = kid_features_to_metric(fake.float(), real.float(), kid_subsets=1, kid_subset_size=150, verbose=False)
    assert score_of(KID, real, fake)["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)


def test_kid_is_0_on_average_however_few_the_samples():
    found = [score_of(KID, gaussian(400, 8, 0), gaussian(10, 8, seed))["kid"] for seed in range(1, 200)]
    mean, deviation = sum(found) / len(found), torch.tensor(found).std() / math.sqrt(len(found))
    assert abs(mean) < 4 * deviation
    assert min(found) < 0


# ── inception score ──────────────────────────────────────────────────────────────────────────────────────────────────────
def inception_score(samples):
    score = InceptionScore(Factors(1))
    score.update(samples, None)
    return float(score.compute()["inception_score"])


def test_the_inception_score_counts_classes():
    assert inception_score(torch.tensor([[-5.0], [5.0]])) == pytest.approx(2)
    assert inception_score(torch.tensor([[5.0], [5.0]])) == pytest.approx(1)
    assert inception_score(torch.zeros(4, 1)) == pytest.approx(1)
    x = math.log(3) / 40  # of (¼, ¾) and (¾, ¼)
    assert inception_score(torch.tensor([[x], [-x]])) == pytest.approx(math.exp(0.75 * math.log(1.5) + 0.25 * math.log(0.5)))


def test_the_inception_score_is_that_of_torch_fidelity():
    logits = gaussian(100, 1, 0, scale=0.05).float()
    theirs = isc_features_to_metric(torch.cat([-20 * logits, 20 * logits], 1), splits=1)
    assert inception_score(logits) == pytest.approx(theirs["inception_score_mean"], rel=1e-5)


def test_the_inception_score_needs_classes():
    said = "the Inception score needs a feature that reads classes, such as feature=digits; this one reads none"
    assert InceptionScore(Raw()).incompatibility(Held(torch.eye(3))) == said


# ── precision, recall, density, coverage ─────────────────────────────────────────────────────────────────────────────────
LINE = torch.arange(6.0).unsqueeze(1)


def test_precision_recall_of_a_line_by_hand():
    """Reaches of 0 … 5: 3 2 2 2 2 3 for k = 3, and 5 4 3 3 4 5 for k = 5: all six balls hold all six points."""
    assert score_of(PrecisionRecall, LINE, LINE) == pytest.approx(
        {"precision": 1, "recall": 1, "density": 36 / 30, "coverage": 1}
    )
    far = score_of(PrecisionRecall, LINE, LINE + 10.5)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_half_the_samples_look_real_and_lie_in_one_place():
    """2.5 thrice and 20 thrice: an outlier's ball reaches all real samples, which is why density and coverage exist."""
    fake = torch.tensor([2.5, 2.5, 2.5, 20, 20, 20]).unsqueeze(1)
    found = score_of(PrecisionRecall, LINE, fake)
    assert found == pytest.approx({"precision": 0.5, "recall": 1, "density": 3 * 6 / 30, "coverage": 1})
    fake = torch.full((6, 1), -2.5)  # in the balls of 0 for k = 3 and of 0 and 1 for k = 5
    assert score_of(PrecisionRecall, LINE, fake) == pytest.approx(
        {"precision": 1, "recall": 0, "density": 2 * 6 / 30, "coverage": 2 / 6}
    )


def test_precision_and_recall_are_those_of_torch_fidelity():
    fake, real = gaussian(700, 8, 0, scale=0.8).float(), gaussian(700, 8, 1).float()
    theirs = prc_features_to_metric(fake, real, verbose=False)
    found = score_of(PrecisionRecall, real, fake)
    assert (found["precision"], found["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)
    assert found["density"] > 1 > found["coverage"]


def test_precision_recall_needs_five_neighbours():
    with pytest.raises(TooFewSamplesError, match=r"^precision_recall: at least 6 generated samples are needed, not 5$"):
        score_of(PrecisionRecall, LINE, LINE[:5])


# ── nearest neighbour ────────────────────────────────────────────────────────────────────────────────────────────────────
def neighbour(train, held_out, fake):
    score = NearestNeighbour(Raw())
    score.set_reference(Reference(Held(train, held_out), "test"))
    score.update(torch.as_tensor(fake).float(), None)
    return {key: float(value) for key, value in score.compute().items()}


def test_copying_is_a_ratio_of_distances_to_training_samples():
    train, held_out = [[0.0], [10.0]], [[1.0], [11.0], [13.0]]  # held-out: 1, 1, 3
    assert neighbour(train, held_out, [[0.5], [9.5], [10.0]])["copying"] == 0.5
    assert neighbour(train, held_out, [[0.0], [10.0], [10.0]])["copying"] == 0
    assert neighbour(train, held_out, held_out)["copying"] == 1


def test_copies_are_found_exactly_among_many():
    train, held_out = gaussian(600, 300, 0) + 100, gaussian(400, 300, 1) + 100
    assert neighbour(train, held_out, train[:300])["copying"] == 0
    assert neighbour(train, held_out, gaussian(300, 300, 2) + 100)["copying"] == pytest.approx(1, abs=0.02)


def test_a_neighbour_that_tells_and_one_that_does_not():
    def accuracy(few, many):
        return float(leave_one_out(*(torch.tensor(x).double().unsqueeze(1) for x in (few, many))))

    assert accuracy([0, 1], [10, 11]) == 1
    assert accuracy([0, 2], [1, 3]) == 0
    assert accuracy([0, 1], [1.4, 11]) == 0.5  # 0 and 1 have each other; 1.4 and 11 do not


def test_where_there_are_more_of_one_it_is_the_mean_over_all_choices():
    few, many = gaussian(3, 2, 0), gaussian(7, 2, 1)
    each = [leave_one_out(few, many[list(chosen)]) for chosen in combinations(range(7), 3)]
    assert float(leave_one_out(few, many)) == pytest.approx(float(sum(each)) / len(each))


def test_equal_distributions_can_not_be_told_apart():
    assert neighbour(gaussian(100, 4, 9), gaussian(900, 4, 0), gaussian(900, 4, 1))["two_sample"] == pytest.approx(
        0.5, abs=0.04
    )
    assert neighbour(gaussian(100, 4, 9), gaussian(900, 4, 0), gaussian(300, 4, 1) + 2)["two_sample"] > 0.85


# ── factor coverage ──────────────────────────────────────────────────────────────────────────────────────────────────────
EVEN = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])


def factor_coverage(fake, real=EVEN, **own):
    score = FactorCoverage(Factors(), **own)
    score.set_reference(Reference(Held(real), "test"))
    score.update(fake, None)
    return {key: float(value) for key, value in score.compute().items()}


def test_every_cell_once():
    found = factor_coverage(EVEN)
    assert found.pop("joint_kl_excess") == pytest.approx(-expected_kl(torch.full((4,), 0.25), 4))
    assert found == pytest.approx({"joint_kl": 0, "cells": 4, "values": 1, "confident": 1}, abs=1e-9)


def test_one_cell_alone():
    found = factor_coverage(EVEN[:1].expand(500, 2))
    assert found.pop("joint_kl_excess") == pytest.approx(math.log(4) - 1.5 / 500, abs=1e-4)
    assert found == pytest.approx({"joint_kl": math.log(4), "cells": 1, "values": 0.5, "confident": 1})


def test_factors_that_are_even_each_but_not_together():
    found = factor_coverage(EVEN[[0, 3]].repeat(50, 1))
    assert found["joint_kl"] == pytest.approx(math.log(2))
    assert (found["cells"], found["values"]) == (2, 1)


def test_cells_may_be_gamed_by_noise_but_confidence_not():
    found = factor_coverage(EVEN * 1e-3)
    assert (found["cells"], found["values"], found["confident"]) == (4, 0, 0)


def test_a_value_that_real_samples_do_not_show_costs_a_finite_amount():
    """Reads 4 : 0 with one added to each: 5/6 and 1/6."""
    found = factor_coverage(EVEN, real=EVEN[:1].expand(4, 2))
    expected = -sum(0.25 * math.log(4 * p) for p in (25 / 36, 5 / 36, 5 / 36, 1 / 36))
    assert found["joint_kl"] == pytest.approx(expected)


@pytest.mark.parametrize(("min_share", "values"), [(0, 2 / 4), (0.01, 2 / 3), (0.25, 2 / 3), (0.26, 2 / 2)])
def test_values_that_are_rare_in_the_data_are_not_counted(min_share, values):
    """The data have the values of one factor 3 : 1 and those of the other 0 : 4; drawn is the frequent value of each."""
    real = torch.tensor([[-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0], [1.0, 1.0]])
    assert factor_coverage(real[:1], real, min_share=min_share)["values"] == pytest.approx(values)


def test_what_can_not_be_read_stands_in_no_cell():
    found = factor_coverage(torch.cat([EVEN, torch.full((4, 2), float("nan"))]))
    assert (found["cells"], found["confident"]) == (4, 0.5)
    assert found["joint_kl"] == pytest.approx(0, abs=1e-9)


def test_factor_coverage_needs_factors_and_not_too_many():
    data = Held(EVEN)
    said = "factor coverage needs a feature that reads factors, such as feature=digits; this one reads none"
    assert FactorCoverage(Raw()).incompatibility(data) == said
    said = "factor coverage counts 2000000 joint cells at most, but the feature's factors make 2097152"
    assert FactorCoverage(Factors(21)).incompatibility(data) == said


# ── the multinomial's floor ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_floor_of_few_draws_by_hand():
    assert expected_kl(torch.full((7,), 1 / 7), 1) == pytest.approx(math.log(7), rel=1e-6)
    assert expected_kl(torch.tensor([0.5, 0.5]), 2) == pytest.approx(0.5 * math.log(2))


@pytest.mark.parametrize(("k", "n", "floor"), [(8, 2500, 0.0014), (25, 2500, 0.0048), (1000, 26000, 0.0193)])
def test_the_floors_that_are_known(k, n, floor):
    assert expected_kl(torch.full((k,), 1 / k), n) == pytest.approx(floor, abs=5e-5)


def test_the_floor_is_what_draws_give():
    p = torch.rand(50, generator=torch.Generator().manual_seed(0)).double().pow(3)
    p = p / p.sum()
    draws = torch.multinomial(p.expand(4000, -1), 60, replacement=True, generator=torch.Generator().manual_seed(1))
    share = torch.zeros(4000, 50).double().scatter_add_(1, draws, torch.ones(4000, 60).double()) / 60
    assert expected_kl(p, 60) == pytest.approx(float(torch.xlogy(share, share / p).sum(1).mean()), rel=0.01)


# ── equilibrium ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_share_of_pairs_by_hand():
    one, other = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0])
    assert float(auc(one, other)) == 0.5
    assert float(auc(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))) == (3 + 0.5) / 4
    assert float(auc(one + 5, one)) == 1
    assert float(auc(one, one)) == 0.5
    assert math.isnan(auc(one, torch.tensor([float("nan")])))


def test_the_discriminator_is_asked_as_it_stands_with_each_sides_labels():
    asked, gain = [], torch.tensor(1.0)

    def judge(samples, labels):
        asked.append(None if labels is None else labels.tolist())
        return gain * samples[:, 0]

    score = Equilibrium()
    score.set_reference(Reference(Held([[0.0]], [[1.0], [2.0]], labels=[4, 5]), "test", judge))
    found = []
    for value in (1.0, -1.0):
        gain.fill_(value)
        score.reset()
        score.update(torch.zeros(3, 1), torch.tensor([7, 8, 9]))
        found.append(float(score.compute()["auc"]))
    assert found == [1, 0]
    assert asked[:2] == [[7, 8, 9], [4, 5]]


def test_without_a_discriminator_there_is_no_equilibrium():
    with pytest.raises(DataError, match=r"^metric\.equilibrium: needs a discriminator, but there is none here"):
        Equilibrium().set_reference(Reference(Held([[0.0]]), "test"))
