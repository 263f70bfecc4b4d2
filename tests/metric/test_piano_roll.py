"""The statistics of piano rolls and the rules of cadences, by hand and against the paper's definitions."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from gan_lightning.data.base import Splits
from gan_lightning.data.cadences import Cadences
from gan_lightning.data.ring import Ring
from gan_lightning.metric.base import TooFewSamplesError
from gan_lightning.metric.cadence_rules import CadenceRules
from gan_lightning.metric.evaluation import evaluate_metrics
from gan_lightning.metric.piano_roll import NAMES, PianoRollStatistics, Rolls, count_chords, statistics_sums, tonal_basis
from gan_lightning.metric.reference import Reference
from gan_lightning.step.types import Batch

DATA = Cadences(sample_shape=(4, 16, 48), num_classes=0, steps_per_bar=8)
REFERENCE = Reference(DATA)


def numbers(cells, steps_per_bar=4, steps_per_beat=2, lowest=60, qualified=2):
    numerator, denominator = statistics_sums(Rolls(cells, lowest, steps_per_bar, steps_per_beat), qualified)
    return dict(zip(NAMES, (numerator / denominator).tolist(), strict=True))


def roll(*voices, steps=8, pitches=12):
    """Voices as dicts: pitch → the steps at which it sounds."""
    cells = torch.zeros(1, len(voices), steps, pitches, dtype=torch.bool)
    for v, voice in enumerate(voices):
        for pitch, own in voice.items():
            cells[0, v, list(own), pitch] = True
    return cells


def test_the_numbers_by_hand():
    # bar 1: C for 2 steps, then C# and D together for 2; bar 2: nothing. The other voice: E throughout, broken at step 5
    found = numbers(roll({0: (0, 1), 1: (2, 3), 2: (2, 3)}, {4: (0, 1, 2, 3, 4, 6, 7)}))
    assert found["empty_bars"] == 1 / 4
    assert found["pitch_classes"] == (3 + 1 + 1) / 3
    assert found["qualified_notes"] == 5 / 5
    assert found["in_scale"] == 4 / 5
    assert found["polyphony"] == 2 / (4 + 7)


@pytest.mark.parametrize(("qualified", "share"), [(1, 1.0), (2, 2 / 3), (3, 1 / 3), (4, 1 / 3), (5, 0.0)])
def test_qualified_notes_by_hand(qualified, share):
    cells = roll({0: (0,), 5: (2, 3), 7: (4, 5, 6, 7)})  # notes of one, two and four steps
    assert numbers(cells, qualified=qualified)["qualified_notes"] == pytest.approx(share)


def test_two_octaves_are_one_pitch_class():
    assert numbers(roll({0: range(8), 12: range(8)}, pitches=24))["pitch_classes"] == 1


def test_the_lowest_pitch_counts():
    cells = roll({0: range(8)})
    assert numbers(cells, lowest=60)["in_scale"] == 1
    assert numbers(cells, lowest=61)["in_scale"] == 0


def distance(a, b):
    return numbers(roll({a: range(8)}, {b: range(8)}))["tonal_distance"]


def test_tonal_distances_by_hand():
    """Harte et al. 2006: a fifth is one step on the first circle, three on the second and one on the third."""

    def chord(radius, angle):
        return 2 * radius * abs(math.sin(angle / 2))

    for interval in range(12):
        expected = math.hypot(
            chord(1, interval * 7 / 6 * math.pi), chord(1, interval * 3 / 2 * math.pi), chord(0.5, interval * 2 / 3 * math.pi)
        )
        assert distance(0, interval) == pytest.approx(expected, abs=1e-9)
    assert distance(0, 0) == 0
    assert distance(0, 7) < distance(0, 1) < distance(0, 6)  # a fifth is near, a semitone farther, a tritone farthest


def test_the_basis_lies_on_three_circles():
    radii = tonal_basis().unflatten(1, (3, 2)).norm(dim=2)
    assert torch.allclose(radii, torch.tensor([1.0, 1.0, 0.5], dtype=torch.float64).expand(12, 3))


def test_a_beat_in_which_one_voice_rests_has_no_distance():
    both = numbers(roll({0: range(8)}, {7: (0, 1)}))["tonal_distance"]
    assert both == pytest.approx(distance(0, 7))
    assert math.isnan(numbers(roll({0: range(8)}, {}))["tonal_distance"])


def test_chords_by_hand():
    counts = count_chords(Rolls(roll({0: range(8)}, {4: range(4), 7: (6,)}), 60, 4, 2))
    assert {int(i): int(counts[i]) for i in counts.nonzero()} == {0b10001: 2, 0b1: 1, 0b10000001: 1}  # C E, C E, C, C G


def scores(metric, samples):
    metric.set_reference(REFERENCE)
    for part in samples.split(300):
        metric.update(part, None)
    return {name: float(x) for name, x in metric.compute().items()}


def test_real_cadences_are_at_the_floor():
    found = scores(PianoRollStatistics(), DATA.splits.test.part(0, 2000).real)
    assert found["difference"] < 0.02
    assert found["chords"] < 0.05
    assert (found["empty_bars"], found["in_scale"], found["polyphony"]) == (0, 1, 0)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda x: torch.where(torch.arange(16).view(1, 1, -1, 1) < 8, x, -1.0), "empty_bars"),
        (lambda x: torch.where(torch.arange(16).view(1, 1, -1, 1) % 2 == 0, x, -1.0), "qualified_notes"),
        (lambda x: x.roll(1, 3), "in_scale"),
        (lambda x: torch.maximum(x, x.roll(4, 3)), "pitch_classes"),
        (lambda x: torch.cat([x[:, :3], x[:, 3:].roll(6, 3)], 1), "tonal_distance"),
    ],
)
def test_a_damage_is_seen_in_its_number(change, name):
    """A control of each number: rolls that are damaged in its respect differ from real ones."""
    real = DATA.splits.test.part(0, 300).real
    metric = PianoRollStatistics(qualified_steps=1 if name != "qualified_notes" else 2)
    own, damaged = scores(metric, real), None
    metric.reset()
    damaged = scores(metric, change(real))
    assert abs(damaged[name] - own[name]) > 0.1 * max(own[name], 0.01)
    assert damaged["difference"] > max(0.1, 3 * own["difference"])


def test_the_difference_is_that_of_the_farthest_number():
    metric = PianoRollStatistics()
    metric.set_reference(REFERENCE)
    metric.update(DATA.splits.test.part(0, 300).real.roll(1, 3), None)
    found = {name: float(x) for name, x in metric.compute().items()}
    farthest = max(
        abs(found[name] - metric.reference[name]) / max(metric.reference[name], 0.01) for name in NAMES if name != "polyphony"
    )
    assert found["difference"] == pytest.approx(farthest)


class Melodies(Cadences):
    """The cadences' sopranos: one voice has no tonal distance."""

    def load(self):
        return Splits(*(SimpleNamespace(part=partial(self.soprano, split)) for split in DATA.splits))

    @staticmethod
    def soprano(split, start, n):
        return Batch(split.part(start, n).real[:, :1], None)


def test_one_voice_is_compared_by_the_other_numbers():
    melodies = Melodies(sample_shape=(1, 16, 48), num_classes=0, steps_per_bar=8)
    metric = PianoRollStatistics()
    metric.set_reference(Reference(melodies))
    real = DATA.splits.test.part(0, 300).real[:, :1]
    metric.update(real, None)
    found = {name: float(x) for name, x in metric.compute().items()}
    assert math.isnan(found["tonal_distance"])
    assert found["difference"] < 0.05
    metric.reset()
    metric.update(torch.where(torch.arange(16).view(1, 1, -1, 1) < 8, real, -1.0), None)
    assert metric.compute()["difference"] > 10  # half of the bars are empty, of real ones none


@pytest.mark.parametrize(("steps", "fits"), [(16, True), (17, False)])
def test_a_qualified_note_fits_into_a_sample(steps, fits):
    said = PianoRollStatistics(qualified_steps=steps).incompatibility(DATA)
    assert said == (None if fits else "no note of the samples has qualified_steps=17 steps; at most 16 can")


def test_silence_is_no_number():
    found = scores(PianoRollStatistics(), -torch.ones(10, 4, 16, 48))
    assert found["empty_bars"] == 1
    assert math.isnan(found["difference"])


@pytest.mark.parametrize("metric", [PianoRollStatistics(), CadenceRules()])
def test_other_data_are_refused_and_no_samples_too(metric):
    assert metric.incompatibility(Ring(sample_shape=(2,), num_classes=0)).endswith("use metric=none")
    assert metric.incompatibility(DATA) is None
    metric.set_reference(REFERENCE)
    with pytest.raises(TooFewSamplesError, match="at least 1 generated sample is needed, not 0"):
        metric.compute()


# ── the rules of the cadences ────────────────────────────────────────────────────────────────────────────────────────────
def test_real_cadences_are_valid():
    found = scores(CadenceRules(), DATA.splits.test.part(0, 2000).real)
    assert (found["valid"], found["combinations"], found["wrong_cells"]) == (1, 96, 0)
    assert abs(found["reverse_kl_excess"]) < 0.02


def test_wrong_cells_are_counted():
    real = DATA.splits.test.part(0, 40).real
    real[:10, 0, 3, 0] = 1  # one cell of the soprano
    real[:5, 3, :2, 40] = 1  # two cells of the bass
    found = scores(CadenceRules(), real)
    assert found["valid"] == pytest.approx(30 / 40)
    assert found["melody"] == pytest.approx(30 / 40)
    assert found["progression"] == pytest.approx(35 / 40)
    assert found["wrong_cells"] == pytest.approx((10 + 2 * 5) / 40)


def test_a_missing_combination_is_seen():
    one = DATA.splits.test.part(0, 1).real.expand(500, -1, -1, -1)
    found = scores(CadenceRules(), one)
    assert (found["valid"], found["combinations"]) == (1, 1)
    assert found["reverse_kl_excess"] == pytest.approx(math.log(96), rel=0.05)


def test_no_valid_sample_has_no_divergence():
    found = scores(CadenceRules(), -torch.ones(10, 4, 16, 48))
    assert found["valid"] == 0
    assert math.isnan(found["reverse_kl_excess"])


def test_batches_do_not_matter():
    metrics = {"a": PianoRollStatistics(num_samples=700), "b": CadenceRules(num_samples=700)}
    for metric in metrics.values():
        metric.set_reference(REFERENCE)
    samples = DATA.splits.test.part(0, 700).real
    source = SimpleNamespace(part=lambda start, n: SimpleNamespace(real=samples[start : start + n], condition=None))
    found = evaluate_metrics(metrics, source)
    for metric in metrics.values():
        metric.reset()
        metric.update(samples, None)
        assert {name: float(x) for name, x in metric.compute().items()} == pytest.approx(
            {n: found[n] for n in metric.compute()}
        )
