"""Every score that conf/metric names: what it says of real samples, of a collapse, and of data it can't score."""

import math

import pytest
import torch
import yaml
from rooms import classes

from gan_lightning import metric as room
from gan_lightning.build import make
from gan_lightning.config import config_dir
from gan_lightning.data.digits import Digits
from gan_lightning.data.dirac import Dirac
from gan_lightning.data.grid import Grid
from gan_lightning.data.ring import Ring
from gan_lightning.metric.base import Score
from gan_lightning.metric.class_accuracy import ClassAccuracy
from gan_lightning.metric.distance import Distance
from gan_lightning.metric.mode_coverage import ModeCoverage

PLANE = {"sample_shape": (2,), "num_classes": 0}
DIGITS, BLANK = Digits(sample_shape=(1, 8, 8), num_classes=10), Digits(sample_shape=(1, 8, 8), num_classes=0)
RING, GRID, POINT = Ring(**PLANE), Grid(**PLANE), Dirac(sample_shape=(1,), num_classes=0)
# name → data that it scores
SCORED = {"class_accuracy": DIGITS, "distance": RING, "mode_coverage": RING}

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "metric").glob("*.yaml"))}
OPTIONS = {name: node for name, node in FILES.items() if any("_target_" in inner for inner in node.values())}
every = pytest.mark.parametrize("name", OPTIONS)


def scored(score, samples, labels=None, parts=1):
    """What the score says of these samples, heard in so many parts."""
    told = [None] * parts if labels is None else labels.chunk(parts)
    for part, own in zip(samples.chunk(parts), told, strict=True):
        score.update(part, own)
    return {key: float(value) for key, value in score.compute().items()}


def bound(score, data):
    score.bind(data)
    return score


def real(data, n):
    """Test samples and their labels."""
    source = data.splits.test
    return source.first(n), source.labels[:n] if data.num_classes else None


def test_there_are_scores():
    assert OPTIONS
    assert classes(room, Score)


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node[name]["_target_"] for name, node in OPTIONS.items()} == classes(room, Score)


def test_an_option_without_a_class_is_empty_or_builds_on_others():
    assert all(not node or "defaults" in node for name, node in FILES.items() if name not in OPTIONS)
    assert FILES["none"] == {}


@every
def test_every_score_gives_the_numbers_it_names(name):
    assert name in SCORED, f"conf/metric/{name}.yaml is tried on no data: add a row for it to SCORED in {__file__}"
    score = bound(make(OPTIONS[name][name]), SCORED[name])
    found = scored(score, *real(SCORED[name], 300))
    assert found.keys() >= score.higher.keys()
    assert all(math.isfinite(value) for value in found.values())
    assert score.num_samples == OPTIONS[name][name].get("num_samples", score.num_samples)


@every
@pytest.mark.parametrize("parts", [2, 5])
def test_the_size_of_an_update_changes_nothing(name, parts):
    score = bound(make(OPTIONS[name][name]), SCORED[name])
    whole = scored(score, *real(SCORED[name], 300))
    score.reset()
    assert scored(score, *real(SCORED[name], 300), parts=parts) == pytest.approx(whole, abs=1e-9)


@every
def test_a_reset_forgets(name):
    score = bound(make(OPTIONS[name][name]), SCORED[name])
    samples, labels = real(SCORED[name], 300)
    expected = scored(score, samples, labels)
    score.reset()
    scored(score, torch.zeros_like(samples), labels)
    score.reset()
    assert scored(score, samples, labels) == expected


@every
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_run_that_diverged_is_scored(name, value):
    """It may be given any number; it may not end in a traceback."""
    score = bound(make(OPTIONS[name][name]), SCORED[name])
    samples, labels = real(SCORED[name], 20)
    assert scored(score, torch.full_like(samples, value), labels).keys() >= score.higher.keys()


@every
def test_a_score_fits_the_data_it_is_tried_on(name):
    assert make(OPTIONS[name][name]).unfit(SCORED[name]) is None


# ── class accuracy ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_real_digits_are_read_and_wrong_labels_are_seen():
    score = bound(ClassAccuracy(), DIGITS)
    samples, labels = real(DIGITS, 300)
    found = scored(score, samples, labels)
    assert found["class_accuracy"] > 0.98
    validation = DIGITS.splits.validation
    score.reset()
    assert scored(score, validation.first(299), validation.labels)["class_accuracy"] == found["class_accuracy_real"] > 0.98
    score.reset()
    chance = scored(score, samples, labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))])
    assert chance["class_accuracy"] == pytest.approx(0.1, abs=0.06)
    assert chance["class_accuracy_real"] == found["class_accuracy_real"]
    score.reset()
    assert scored(score, samples, (labels + 1) % 10)["class_accuracy"] < 0.01


def test_class_accuracy_is_the_share_that_is_read_so():
    score = bound(ClassAccuracy(), DIGITS)
    samples = torch.cat([DIGITS.splits.train.first(6, label=label) for label in (0, 1)])
    assert scored(score, samples, torch.tensor([0] * 9 + [1] * 3))["class_accuracy"] == 0.75


def test_larger_digits_are_read_as_well():
    large = Digits(sample_shape=(1, 32, 32), num_classes=10)
    assert scored(bound(ClassAccuracy(), large), *real(large, 300))["class_accuracy"] > 0.98


def test_class_accuracy_needs_labels():
    said = "class accuracy needs labels, but the data are unlabelled (data.num_classes=0); use metric=none"
    assert ClassAccuracy().unfit(BLANK) == ClassAccuracy().unfit(RING) == said
    assert ClassAccuracy().unfit(DIGITS) is None


# ── mode coverage ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("data", "modes"), [(RING, 8), (GRID, 25)], ids=["ring", "grid"])
def test_real_points_cover_all_modes(data, modes):
    found = scored(bound(ModeCoverage(), data), data.splits.test.first(2500))
    assert found["modes"] == modes
    assert found["high_quality"] == pytest.approx(0.9889, abs=0.006)  # 1 − exp(−9/2)
    assert 0 <= found["reverse_kl"] < 0.005 * modes / 8  # (modes − 1) / 2 n is expected of n even draws


def test_a_collapse_to_one_mode():
    found = scored(bound(ModeCoverage(), RING), RING.modes[3].expand(100, 2))
    assert found == pytest.approx({"reverse_kl": math.log(8), "modes": 1, "high_quality": 1})


def test_half_the_modes_evenly():
    found = scored(bound(ModeCoverage(), RING), RING.modes[:4].repeat(5, 1))
    assert found == pytest.approx({"reverse_kl": math.log(2), "modes": 4, "high_quality": 1})


def test_a_mode_is_captured_by_good_samples_only():
    """Three standard deviations are 0.03; a sample beyond counts for its mode's share and not for its capture."""
    good, bad = RING.modes[0] + torch.tensor([0.029, 0.0]), RING.modes[4] - torch.tensor([0.031, 0.0])
    found = scored(bound(ModeCoverage(), RING), torch.stack([good, good, good, bad]))
    kl = 0.75 * math.log(0.75 * 8) + 0.25 * math.log(0.25 * 8)
    assert found == pytest.approx({"reverse_kl": kl, "modes": 1, "high_quality": 0.75})


def test_one_sample_a_mode_is_perfect():
    found = scored(bound(ModeCoverage(), GRID), GRID.modes)
    assert found == pytest.approx({"reverse_kl": 0, "modes": 25, "high_quality": 1}, abs=1e-12)


def test_mode_coverage_needs_known_modes():
    said = "mode coverage needs data whose modes are known, such as data=ring or data=grid; use metric=none"
    assert ModeCoverage().unfit(DIGITS) == said
    assert ModeCoverage().unfit(GRID) is None


# ── distance ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_distance_from_the_one_point_is_that_of_theta():
    assert scored(bound(Distance(), POINT), torch.tensor([[-0.3], [0.3], [0.9]]))["distance"] == pytest.approx(0.5)
    assert scored(bound(Distance(), POINT), torch.zeros(5, 1)) == {"distance": 0}


def test_the_distance_is_that_from_the_nearest_mode():
    samples = torch.cat([RING.modes * 3, RING.modes])  # 2 away, and 0
    assert scored(bound(Distance(), RING), samples)["distance"] == pytest.approx(1, abs=1e-6)


def test_the_distance_of_real_points():
    """The mean of a Rayleigh distribution, √(π/2) standard deviations."""
    found = scored(bound(Distance(), GRID), GRID.splits.test.first(20000))
    assert found["distance"] == pytest.approx(0.05 * math.sqrt(math.pi / 2), rel=0.02)


def test_distance_needs_known_modes():
    said = "the distance needs data whose modes are known, such as data=dirac or data=ring; use metric=none"
    assert Distance().unfit(DIGITS) == said
    assert Distance().unfit(POINT) is None
