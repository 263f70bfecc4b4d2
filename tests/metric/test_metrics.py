"""Every score that conf/metric names: what it says of real samples, of a collapse, and of data it can't score."""

import math
from datetime import timedelta

import pytest
import torch
import yaml
from discovery import classes
from torch.nn.functional import one_hot
from waiting import HANG

from gan_lightning import metric as room
from gan_lightning.config.compose import config_dir
from gan_lightning.config.instantiate import instantiate
from gan_lightning.config.targets import constructor_parameters, import_object
from gan_lightning.data.base import Data, Splits, SplitSizes
from gan_lightning.data.cadences import Cadences
from gan_lightning.data.digits import Digits
from gan_lightning.data.dirac import Dirac
from gan_lightning.data.grammar import Grammar
from gan_lightning.data.grid import Grid
from gan_lightning.data.ring import Ring
from gan_lightning.data.selection import select_by_class
from gan_lightning.data.signals import Heartbeats, Sines
from gan_lightning.data.sklearn_table import SklearnTable
from gan_lightning.data.store import Store
from gan_lightning.data.tones import Tones
from gan_lightning.data.words import Words
from gan_lightning.metric.base import GenerativeMetric, TooFewSamplesError
from gan_lightning.metric.class_accuracy import ClassAccuracy
from gan_lightning.metric.distance import Distance
from gan_lightning.metric.evaluation import evaluate_metrics
from gan_lightning.metric.feature.digits import Digits as DigitsFeature
from gan_lightning.metric.feature.raw import Raw
from gan_lightning.metric.mode_coverage import ModeCoverage, compare_radii
from gan_lightning.metric.reference import Reference
from gan_lightning.step.latents import Latents

PLANE = {"sample_shape": (2,), "num_classes": 0}
DIGITS, BLANK = Digits(sample_shape=(1, 8, 8), num_classes=10), Digits(sample_shape=(1, 8, 8), num_classes=0)
RING, GRID, POINT = Ring(**PLANE), Grid(**PLANE), Dirac(sample_shape=(1,), num_classes=0)
TONES = Tones(count=1500, validation=0.8, sample_shape=(1, 512), num_classes=10)
SINES, BEATS = (cls(count=1500, validation=0.8, sample_shape=(1, 400), num_classes=0) for cls in (Sines, Heartbeats))
MUSIC = Cadences(sample_shape=(4, 16, 48), num_classes=0, steps_per_bar=8)
READER = DigitsFeature()


class ThreeLetters(Words):
    """Words of a file that is not there."""

    def content(self):
        return "\n".join(a + b + c for a in "abcdefg" for b in "aeiou" for c in "lmnopqrst").encode()


WORDS = ThreeLetters(root="-", alphabet="abcdefghijklmnopqrstu", sample_shape=(22, 4), num_classes=0, validation=0.3, test=0.3)
GRAMMAR, IRIS = (
    Grammar(sample_shape=(9, 7), num_classes=0),
    SklearnTable("iris", sample_shape=(5, 6), num_classes=0, validation=0.3, test=0.3),
)
# option → data that it scores, and the extractor that it is given
SCORED = {
    "beat_rate": (BEATS, None),
    "cadence_rules": (MUSIC, None),
    "class_accuracy": (DIGITS, READER),
    "class_accuracy_digits": (DIGITS, READER),
    "class_accuracy_fashion_mnist": (DIGITS, READER),
    "class_accuracy_mnist": (DIGITS, READER),
    "code_purity": (DIGITS, READER),
    "distance": (RING, None),
    "equilibrium": (DIGITS, None),
    "factor_coverage": (DIGITS, READER),
    "fid": (DIGITS, READER),
    "inception_score": (DIGITS, READER),
    "kid": (DIGITS, READER),
    "mode_coverage": (RING, None),
    "ngram": (WORDS, None),
    "nearest_neighbour": (DIGITS, READER),
    "pitch_accuracy": (TONES, None),
    "piano_roll": (MUSIC, None),
    "precision_recall": (DIGITS, READER),
    "spectrum_distance": (SINES, None),
    "table": (IRIS, None),
    "text_validity": (GRAMMAR, None),
}

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "metric").glob("*.yaml"))}
OPTIONS = {
    name: inner for name, node in FILES.items() for inner in node.values() if isinstance(inner, dict) and "_target_" in inner
}
every = pytest.mark.parametrize("name", OPTIONS)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path))


def judge(samples, labels):
    """A discriminator's word."""
    return samples.flatten(1).mean(1)


def made(name):
    """The score of an option, not yet bound, and the data that it is tried on."""
    assert name in SCORED, f"conf/metric/{name}.yaml is tried on no data: add a row for it to SCORED in {__file__}"
    data, feature = SCORED[name]
    node = {key: 10 if str(value).startswith("${") else value for key, value in OPTIONS[name].items()}
    takes = "feature" in constructor_parameters(import_object(OPTIONS[name]["_target_"]))
    return instantiate(node, **({"feature": feature} if takes else {})), data


def ready(name):
    score, data = made(name)
    return bound(score, data), data


def scored(score, samples, labels=None, parts=1):
    """What the score says of these samples, heard in so many parts."""
    told = [None] * parts if labels is None else labels.chunk(parts)
    for part, own in zip(samples.chunk(parts), told, strict=True):
        codes = torch.arange(len(part)) % 10 if own is None else own
        score.update(part, own, **({"latents": Latents(one_hot(codes, 10).float(), None)} if score.uses_latents else {}))
    return {key: float(value) for key, value in score.compute().items()}


def bound(score, data):
    score.set_reference(Reference(data, "test", judge))
    return score


def real(data, n):
    """Validation samples and their labels."""
    return data.splits.validation.part(0, n)


def test_there_are_scores():
    assert OPTIONS
    assert classes(room, GenerativeMetric)


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node["_target_"] for node in OPTIONS.values()} == classes(room, GenerativeMetric)


def test_an_option_without_a_class_is_empty_or_builds_on_others():
    assert all(not node or "defaults" in node for name, node in FILES.items() if name not in OPTIONS)
    assert FILES["none"] == {}


@every
def test_every_score_gives_the_numbers_it_names(name):
    score, data = ready(name)
    found = scored(score, *real(data, 299))
    assert found.keys() >= score.maximize.keys()
    assert found.keys() | {"class_accuracy_control"} >= set(score.nonzero_floor)
    assert all(math.isfinite(value) for value in found.values())
    assert score.num_samples == OPTIONS[name].get("num_samples", score.num_samples)


@every
@pytest.mark.parametrize("parts", [2, 5])
def test_the_size_of_an_update_changes_nothing(name, parts):
    score, data = ready(name)
    whole = scored(score, *real(data, 299))
    score.reset()
    assert scored(score, *real(data, 299), parts=parts) == pytest.approx(whole, rel=1e-5, abs=1e-9)


@every
def test_the_order_of_samples_changes_nothing(name):
    score, data = ready(name)
    samples, labels = real(data, 299)
    whole = scored(score, samples, labels)
    score.reset()
    other = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    assert scored(score, samples[other], None if labels is None else labels[other]) == pytest.approx(whole, rel=1e-5, abs=1e-9)


@every
def test_a_rank_may_hear_of_none(name):
    score, data = ready(name)
    samples, labels = real(data, 299)
    whole = scored(score, samples, labels)
    score.reset()
    score.update(samples[:0], None if labels is None else labels[:0])
    assert scored(score, samples, labels) == pytest.approx(whole, rel=1e-5, abs=1e-9)


@every
def test_a_reset_forgets(name):
    score, data = ready(name)
    samples, labels = real(data, 299)
    expected = scored(score, samples, labels)
    score.reset()
    scored(score, torch.zeros_like(samples), labels)
    score.reset()
    assert scored(score, samples, labels) == expected


@every
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_run_that_diverged_is_scored(name, value):
    """It may be given any number; it may not end in a traceback."""
    score, data = ready(name)
    samples, labels = real(data, 40)
    assert scored(score, torch.full_like(samples, value), labels).keys() >= score.maximize.keys()
    score.reset()
    samples[7] = value  # one alone
    assert scored(score, samples, labels).keys() >= score.maximize.keys()


@every
def test_no_sample_is_too_few(name):
    score, data = ready(name)
    samples, labels = real(data, 1)
    score.update(samples[:0], None if labels is None else labels[:0])
    if name == "distance":
        return
    own = type(score).__module__.rpartition(".")[2]  # a preset has the name of its metric
    with pytest.raises(TooFewSamplesError, match=rf"^{own}: at least \d generated samples? (is|are) needed, not 0$"):
        score.compute()


@every
def test_a_score_fits_the_data_it_is_tried_on(name):
    score, data = made(name)
    assert score.incompatibility(data) is None


@every
def test_a_score_of_features_refuses_samples_that_its_extractor_cant_read(name):
    score, _ = made(name)
    if hasattr(score, "feature") and not score.conditional:
        assert score.incompatibility(RING) == "the digits' classifier reads [1,S,S], S a multiple of 8, not [2]"


# ── ranks ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
def everything():
    """All numbers of all scores, in this process or in this rank's group: up to 1201 samples, and 7."""
    found = {}
    for name in OPTIONS:
        score, data = ready(name)
        if score.uses_latents:  # stored samples have none
            continue
        samples, labels = real(data, 1201)
        source = Store(samples.numpy(), None if labels is None else labels.numpy())
        for n in (1201, 7):
            score.num_samples = n
            found |= {f"{name} {n} {key}": value for key, value in evaluate_metrics({name: score}, source).items()}
    return found


def rank(own, world, folder, said):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=own, world_size=world, timeout=timedelta(seconds=HANG)
    )
    try:
        said.put((own, everything()))
    except Exception as error:
        said.put((own, repr(error)))  # the test fails at once, and with the reason
    torch.distributed.destroy_process_group()


def test_two_ranks_give_the_numbers_of_one(tmp_path, monkeypatch):
    """Each sample is heard once, whatever the ranks' shares; over the loopback interface."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    alone = everything()
    context = torch.multiprocessing.get_context("fork")
    said = context.Queue()
    ranks = [context.Process(target=rank, args=(own, 2, tmp_path, said), daemon=True) for own in (0, 1)]
    for process in ranks:
        process.start()
    try:
        together = dict(said.get(timeout=HANG) for _ in ranks)
    finally:
        for process in ranks:
            process.join(HANG)
            process.kill()
    assert together[0] == together[1]
    assert together[0] == pytest.approx(alone, rel=1e-6, abs=1e-6)
    assert len(alone) > 40


# ── class accuracy ───────────────────────────────────────────────────────────────────────────────────────────────────────
class Two(Data):
    """Two classes that a support vector machine tells apart: dark and bright."""

    def count(self):
        return SplitSizes(40, 40, 40)

    def load(self):
        images = torch.linspace(-1, 1, 40).reshape(40, 1, 1, 1).expand(40, 1, 8, 8).contiguous().numpy()
        return Splits(*[Store(images, (images[:, 0, 0, 0] > 0).astype(int))] * 3)


@pytest.mark.parametrize("control", [None, "dense"])
def test_real_digits_are_read_and_wrong_labels_are_seen(control):
    score = bound(ClassAccuracy(READER, control=DigitsFeature(control) if control else None), DIGITS)
    names = {"class_accuracy"} | ({"class_accuracy_control"} if control else set())
    samples, labels = DIGITS.splits.test.part(0, 300)
    found = scored(score, samples, labels)
    assert found.keys() == names
    assert min(found.values()) > 0.97
    score.reset()
    chance = scored(score, samples, labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))])
    assert chance == pytest.approx(dict.fromkeys(names, 0.1), abs=0.06)
    score.reset()
    assert max(scored(score, samples, (labels + 1) % 10).values()) < 0.02


def test_class_accuracy_is_the_share_that_is_read_so():
    score = bound(ClassAccuracy(READER), DIGITS)
    samples = torch.cat(select_by_class(DIGITS.splits.train, 6, 2))
    assert scored(score, samples, torch.tensor([0] * 9 + [1] * 3))["class_accuracy"] == 0.75


@pytest.mark.parametrize("feature", [Raw(), READER], ids=["raw", "digits"])
def test_where_the_extractor_does_not_read_the_class_a_machine_learns_to(feature):
    data = Two(sample_shape=(1, 8, 8), num_classes=2)
    samples = torch.tensor([-0.9, -0.5, 0.5, 0.9]).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)
    assert scored(bound(ClassAccuracy(feature), data), samples, torch.tensor([0, 0, 1, 0]))["class_accuracy"] == 0.75


def test_larger_digits_are_read_as_well():
    large = Digits(sample_shape=(1, 32, 32), num_classes=10)
    for feature in (READER, Raw()):
        assert scored(bound(ClassAccuracy(feature), large), *large.splits.test.part(0, 300))["class_accuracy"] > 0.97


def test_class_accuracy_needs_labels_and_a_control_that_reads_them():
    said = "class accuracy needs a class for each sample, but the data have none; use metric=none"
    assert ClassAccuracy(READER).incompatibility(BLANK) == ClassAccuracy(Raw()).incompatibility(RING) == said
    assert ClassAccuracy(READER).incompatibility(DIGITS) is None
    two = Two(sample_shape=(1, 8, 8), num_classes=2)
    said = "the control does not read the 2 classes of samples of shape [1, 8, 8]"
    assert ClassAccuracy(Raw(), control=READER).incompatibility(two) == said


# ── mode coverage ────────────────────────────────────────────────────────────────────────────────────────────────────────
def told(found):
    """The three numbers that papers give."""
    return {key: found[key] for key in ("reverse_kl", "modes", "high_quality")}


@pytest.mark.parametrize(("data", "modes"), [(RING, 8), (GRID, 25)], ids=["ring", "grid"])
def test_real_points_cover_all_modes(data, modes):
    found = scored(bound(ModeCoverage(), data), data.splits.validation.part(0, 2500).real)
    assert found["modes"] == modes
    assert found["high_quality"] == pytest.approx(0.9889, abs=0.006)  # 1 − exp(−9/2)
    assert 0 <= found["reverse_kl"] < 0.005 * modes / 8
    assert found["reverse_kl"] - found["reverse_kl_excess"] == pytest.approx(0.0014 if modes == 8 else 0.0048, abs=5e-5)
    assert found["spread"] == pytest.approx(1, abs=0.03)
    assert found["ks"] < 1.63 / math.sqrt(2500 * found["high_quality"])  # 99 % of true draws
    assert found["energy"] < 4


def test_a_collapse_to_one_mode():
    found = scored(bound(ModeCoverage(), RING), RING.modes[3].expand(100, 2))
    assert found["energy"] > 50
    assert told(found) == pytest.approx({"reverse_kl": math.log(8), "modes": 1, "high_quality": 1})


def test_half_the_modes_evenly():
    found = scored(bound(ModeCoverage(), RING), RING.modes[:4].repeat(5, 1))
    assert told(found) == pytest.approx({"reverse_kl": math.log(2), "modes": 4, "high_quality": 1})


def test_a_mode_is_captured_by_good_samples_only():
    """Three standard deviations are 0.03; a sample beyond counts for its mode's share and not for its capture."""
    good, bad = RING.modes[0] + torch.tensor([0.029, 0.0]), RING.modes[4] - torch.tensor([0.031, 0.0])
    found = scored(bound(ModeCoverage(), RING), torch.stack([good, good, good, bad]))
    kl = 0.75 * math.log(0.75 * 8) + 0.25 * math.log(0.25 * 8)
    assert told(found) == pytest.approx({"reverse_kl": kl, "modes": 1, "high_quality": 0.75})


def test_one_sample_a_mode_is_perfect():
    found = scored(bound(ModeCoverage(), GRID), GRID.modes)
    assert told(found) == pytest.approx({"reverse_kl": 0, "modes": 25, "high_quality": 1}, abs=1e-12)


def test_modes_that_are_too_narrow():
    """Half as wide: spread 0.5 of a Gaussian that is hardly cut off, over the cut-off one's."""
    real = RING.splits.validation.part(0, 2500).real
    centre = RING.modes[torch.cdist(real, RING.modes).argmin(1)]
    found = scored(bound(ModeCoverage(), RING), centre + (real - centre) / 2)
    cut = math.sqrt((1 - 5.5 * math.exp(-4.5)) / (1 - math.exp(-4.5)))  # of √2 std
    assert found["spread"] == pytest.approx(0.5 / cut, rel=0.03)
    assert found["ks"] > 0.3
    assert found["high_quality"] == 1
    assert scored(bound(ModeCoverage(), RING), RING.modes)["ks"] == pytest.approx(1)
    assert scored(bound(ModeCoverage(), RING), RING.modes)["spread"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_the_shape_of_a_gaussian_in_any_dimension(dimensions):
    u = torch.randn(40000, dimensions, generator=torch.Generator().manual_seed(0)).double().square().sum(1) / 2
    found = compare_radii(u[u <= 4.5], dimensions)
    assert float(found["spread"]) == pytest.approx(1, abs=0.01)
    assert float(found["ks"]) < 1.63 / math.sqrt(float((u <= 4.5).sum()))


def test_ks_of_one_sample_is_the_larger_step():
    u = math.log(2)  # of an exponential, cut off: (1 − ½) / (1 − exp(−4.5))
    assert float(compare_radii(torch.tensor([u]).double(), 2)["ks"]) == pytest.approx(0.5 / (1 - math.exp(-4.5)))


def test_the_energy_of_the_real_samples_themselves_is_0_and_1_of_others_on_average():
    score = bound(ModeCoverage(), RING)
    assert scored(score, Reference(RING, "test").samples(2500).real)["energy"] == pytest.approx(0, abs=1e-6)
    others = [RING.splits.validation.part(start, 300).real for start in range(40)]
    energies = [float(score.energy(points.double())) for points in others]
    assert sum(energies) / 40 == pytest.approx(1, abs=0.3)


def test_the_energy_of_two_points():
    score = ModeCoverage()
    score.reference = torch.tensor([[0.0], [2.0]]).double()
    score.reference_distance = torch.tensor(1.0)  # mean|y − y′| of all pairs, distinct: 2
    # 2 · (1 + 3)/2 − 0 − 1 = 3, · 1·2/(1 + 2), / 2
    assert float(score.energy(torch.tensor([[-1.0]]).double())) == pytest.approx(1)


def test_mode_coverage_needs_modes_of_some_width():
    said = "mode coverage needs modes that have a width, such as those of data=ring; use metric=distance"
    assert ModeCoverage().incompatibility(POINT) == said


def test_mode_coverage_needs_known_modes():
    said = "mode coverage needs data whose modes are known, such as data=ring or data=grid; use metric=none"
    assert ModeCoverage().incompatibility(DIGITS) == said
    assert ModeCoverage().incompatibility(GRID) is None


# ── distance ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_distance_from_the_one_point_is_that_of_theta():
    assert scored(bound(Distance(), POINT), torch.tensor([[-0.3], [0.3], [0.9]]))["distance"] == pytest.approx(0.5)
    assert scored(bound(Distance(), POINT), torch.zeros(5, 1)) == {"distance": 0}


def test_the_distance_is_that_from_the_nearest_mode():
    samples = torch.cat([RING.modes * 3, RING.modes])  # 2 away, and 0
    assert scored(bound(Distance(), RING), samples)["distance"] == pytest.approx(1, abs=1e-6)


def test_the_distance_of_real_points():
    """The mean of a Rayleigh distribution, √(π/2) standard deviations."""
    found = scored(bound(Distance(), GRID), GRID.splits.test.part(0, 20000).real)
    assert found["distance"] == pytest.approx(0.05 * math.sqrt(math.pi / 2), rel=0.02)


def test_distance_needs_known_modes():
    said = "the distance needs data whose modes are known, such as data=dirac or data=ring; use metric=none"
    assert Distance().incompatibility(DIGITS) == said
    assert Distance().incompatibility(POINT) is None
