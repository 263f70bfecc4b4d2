"""Pitch accuracy on tones whose pitch is known, and on what is no tone."""

import numpy as np
import pytest
import torch

from gan_lightning.data.tones import PITCHES, Tones, tone
from gan_lightning.metric.pitch_accuracy import PitchAccuracy, read_pitch
from gan_lightning.metric.reference import Reference

DATA = Tones(sample_shape=(1, 1024), num_classes=10, count=200)


def scored(samples, labels=None):
    metric = PitchAccuracy()
    metric.set_reference(Reference(DATA, "validation"))
    metric.update(samples, labels)
    return {key: float(value) for key, value in metric.compute().items()}


def tones(cents=0.0, pitches=PITCHES):
    waves = [tone(pitch * 2 ** (cents / 1200), 1024, 4000, 0.8, 0.2, 1.5) for pitch in pitches]
    return torch.tensor(np.stack(waves)[:, None], dtype=torch.float32)


def test_a_sine_between_two_bins_is_read_to_a_cent():
    t = torch.arange(1024, dtype=torch.float64) / 4000
    wanted = torch.tensor([300.0, 301.3, 555.5, 879.9], dtype=torch.float64)
    found, share = read_pitch(torch.sin(2 * torch.pi * wanted[:, None] * t), 4000)
    assert (1200 * (found / wanted).log2()).abs().max() < 1
    assert share.min() > 0.99


def test_tones_have_their_pitches_and_asked_for_others_they_do_not():
    labels = torch.arange(10)
    found = scored(tones(), labels)
    assert found == {"pitch_accuracy": 1, "pitches": 1, "harmonicity": pytest.approx(1, abs=0.02), "asked_pitch": 1}
    assert scored(tones(), (labels + 1) % 10)["asked_pitch"] == 0
    assert "asked_pitch" not in scored(tones())


@pytest.mark.parametrize(("cents", "share"), [(45, 1), (-45, 1), (55, 0), (-55, 0)])
def test_half_a_semitone_is_the_limit(cents, share):
    assert scored(tones(cents))["pitch_accuracy"] == share


def test_three_pitches_of_ten():
    assert scored(tones(pitches=[PITCHES[i] for i in (1, 1, 4, 9)]))["pitches"] == pytest.approx(0.3)


def test_silence_noise_and_what_is_not_finite_have_no_pitch():
    silent = scored(torch.zeros(4, 1, 1024))
    assert silent == {"pitch_accuracy": 0, "pitches": 0, "harmonicity": 0}
    noise = scored(torch.randn(400, 1, 1024, generator=torch.Generator().manual_seed(0)))
    assert noise["pitch_accuracy"] < 0.25  # the 10 pitches' ±50 cents are 14 % of 0 to 2000 Hz
    assert noise["harmonicity"] < 0.1
    assert scored(torch.full((4, 1, 1024), float("nan")))["pitch_accuracy"] == 0


def test_only_tones_have_known_pitches():
    from gan_lightning.data.ring import Ring

    said = "pitch accuracy needs data whose pitches are known, such as data=tones; use metric=none"
    assert PitchAccuracy().incompatibility(Ring(sample_shape=(2,), num_classes=0)) == said
    assert PitchAccuracy().incompatibility(DATA) is None
