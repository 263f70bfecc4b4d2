"""The classifier of spoken digits as an extractor: what it reads of words that it never saw, where espeak-ng is installed."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lightning.metric.feature.spoken_digits import FRAME, HOP, LENGTH, RATE, WEIGHTS, SpokenDigits, spectrogram

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_spoken_digits.py"
needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng")


def words(voice, speed, pitch):
    """The ten words at 4000 Hz, as the script speaks them."""
    from scipy.signal import resample_poly

    pytest.importorskip("soundfile")
    spec = importlib.util.spec_from_file_location("make_spoken_digits", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    spoken = [resample_poly(script.speak(word, voice, speed, pitch), RATE, script.RATE)[:LENGTH] for word in script.WORDS]
    waves = np.stack([np.pad(wave, (0, LENGTH - len(wave))) for wave in spoken])
    return torch.tensor(waves, dtype=torch.float32).unsqueeze(1)


@needs_espeak
def test_it_reads_words_that_it_never_saw():
    """At speeds and pitches that are between those of the training words; noise and other words' labels are not read so."""
    samples = words("en-us", 195, 47)
    reading = SpokenDigits()(samples)
    assert reading.logits[0].argmax(1).tolist() == list(range(10))
    assert (reading.features.shape, reading.features.dtype) == ((10, 64), torch.float32)
    noise = SpokenDigits()(0.3 * torch.randn(50, 1, LENGTH, generator=torch.Generator().manual_seed(0)))
    assert len(noise.logits[0].argmax(1).unique()) < 6


def test_a_sine_is_one_row_of_the_spectrogram():
    """500 Hz at 4000 Hz, in frames of 64: bin 8, row 7 without the lowest bin."""
    wave = 0.5 * torch.sin(2 * torch.pi * 500 * torch.arange(LENGTH) / RATE).expand(2, 1, LENGTH)
    found = spectrogram(wave)
    assert found.shape == (2, 1, FRAME // 2, LENGTH // HOP)
    assert (found[0, 0, :, 1:].argmax(0) == 7).all()  # the first frame is half of a reflection
    assert found[0, 0, 7, 30].exp() == pytest.approx(0.01 + 0.5 * FRAME / 4, rel=1e-3)  # amplitude · sum of the window / 2


def test_it_says_what_it_can_not_read_and_its_weights_are_small():
    feature = SpokenDigits()
    assert feature.incompatibility([1, 2048]) is None
    for shape in ([1, 4096], [2, 2048], [1, 28, 28], [2048]):
        assert feature.incompatibility(shape) == f"the classifier of spoken digits reads [1,2048] at 4000 Hz, not {shape}"
    assert feature.name.startswith("spoken-digits-")
    assert (WEIGHTS / "spoken_digits.safetensors").stat().st_size < 300_000
    assert not any(p.requires_grad for p in feature.parameters())
