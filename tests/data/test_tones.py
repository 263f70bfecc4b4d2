"""Tones made by code: their pitches, their decay and their harmonics are those of the formula."""

import numpy as np
import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.tones import ATTACK, PITCHES, Tones, draw_tones, tone


def made(**given):
    return Tones(**({"sample_shape": (1, 512), "num_classes": 10, "count": 200} | given))


def test_the_pitches_are_a_pentatonic_scale():
    assert [round(pitch, 2) for pitch in PITCHES[:6]] == [261.63, 293.66, 329.63, 392.0, 440.0, 523.25]
    gaps = 1200 * np.log2(np.array(PITCHES[1:]) / PITCHES[:-1])
    assert gaps.round(6).tolist() == [200, 200, 300, 200, 300, 200, 200, 300, 200]


def test_a_tone_by_hand():
    """After the attack: two harmonics of 500 Hz below half of 3000 Hz, in the ratio 1 : 1/4."""
    wave = tone(500, 300, 3000, loudness=0.8, decay=0.1, roll_off=2.0)
    t = np.arange(300) / 3000
    expected = 0.8 * np.exp(-t / 0.1) * (np.sin(2 * np.pi * 500 * t) + np.sin(2 * np.pi * 1000 * t) / 4) / 1.25
    late = t > ATTACK
    np.testing.assert_allclose(wave[late], expected[late], atol=1e-12)
    assert abs(wave[1]) < abs(expected[1])


def test_the_class_is_the_pitch():
    samples, pitch = draw_tones(60, 1024, 4000, seed=3)
    assert (samples.shape, samples.dtype, set(pitch)) == ((60, 1, 1024), np.float32, set(range(10)))
    spectrum = np.abs(np.fft.rfft(samples[:, 0] * np.hanning(1024), 8 * 1024))
    found = spectrum.argmax(1) * 4000 / (8 * 1024)
    assert np.abs(1200 * np.log2(found / np.array(PITCHES)[pitch])).max() < 10
    assert np.abs(samples).max() <= 0.95


def test_the_seed_chooses_the_tones_and_the_splits_are_exact():
    one, same, other = (made(tone_seed=seed).splits.train.part(0, 20) for seed in (0, 0, 1))
    assert torch.equal(one.real, same.real)
    assert not torch.equal(one.real, other.real)
    assert made().sizes() == (160, 20, 20)
    assert made(num_classes=0).splits.train.part(0, 3).condition is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"sample_shape": (1, 8, 8)},
            r"data\.sample_shape: \[1, 8, 8\] is no shape of tones; allowed: \[1,T\] with T at least 400",
        ),
        ({"sample_shape": (1, 399)}, r"data\.sample_shape: \[1, 399\] is no shape of tones"),
        ({"sample_rate": 1700}, r"data\.sample_rate: 1700 Hz can't hold the highest pitch, 880 Hz"),
        ({"num_classes": 4}, r"data\.num_classes: the tones have 10 pitches, not 4; 0 hides them"),
    ],
)
def test_what_is_no_tone_is_refused(given, said):
    with pytest.raises(DataError, match=f"^{said}"):
        made(**given).count()
