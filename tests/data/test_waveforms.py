"""A folder of sound files: what is read of each, their classes and splits, and what is refused by name."""

import os

import numpy as np
import pytest

from gan_lightning.data.base import DataError
from gan_lightning.data.sound_file import read_wave, resampling_factors
from gan_lightning.data.waveforms import Waveforms

soundfile = pytest.importorskip("soundfile")


def sine(frequency, rate, seconds, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)
    return np.stack([wave] * channels, 1)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "sounds"
    for name, rate, channels, suffix in (("high", 16000, 1, "wav"), ("low", 44100, 2, "flac")):
        (root / name).mkdir(parents=True)
        for i in range(20):
            frequency = 300 if name == "low" else 1000
            soundfile.write(root / name / f"{i}.{suffix}", sine(frequency, rate, 0.1 + 0.01 * i, channels), rate)
    (root / "high" / "notes.txt").write_text("no sound")
    (root / "high" / ".hidden.wav").write_text("no sound")
    return root


def sounds(root, **given):
    return Waveforms(root=str(root), **({"sample_shape": (1, 1024), "sample_rate": 8000, "num_classes": 2} | given))


def test_classes_rates_and_channels(folder):
    """Both classes have their frequency at 8000 Hz, whatever the rate and channels of the file."""
    data = sounds(folder)
    assert sum(data.sizes()) == 40
    batch = data.splits.train.part(0, 40)
    assert batch.real.shape[1:] == (1, 1024)
    spectrum = np.abs(np.fft.rfft(batch.real[:, 0].numpy() * np.hanning(1024), 8192))
    wanted = np.where(batch.condition.numpy() == 0, 1000, 300)
    assert np.abs(spectrum.argmax(1) * 8000 / 8192 - wanted).max() < 3
    assert sounds(folder, num_classes=0).splits.train.part(0, 3).condition is None


def test_a_short_sound_is_followed_by_silence_and_a_long_one_is_cut(folder):
    short = read_wave(folder / "high" / "0.wav", 4096, 16000)  # 1600 values
    assert np.abs(short[:1600] - sine(1000, 16000, 0.1)[:, 0]).max() < 1e-4
    assert not short[1600:].any()
    long = read_wave(folder / "low" / "19.flac", 512, 44100)
    assert np.abs(long - sine(300, 44100, 0.29)[:512, 0]).max() < 1e-4


def test_resampling_keeps_the_wave(folder):
    found = read_wave(folder / "low" / "19.flac", 1024, 8000)
    expected = sine(300, 8000, 0.29)[:1024, 0]
    assert np.abs(found - expected)[50:].max() < 0.01


def test_a_peak_makes_all_equally_loud(folder):
    real = sounds(folder, peak=0.9).splits.train.part(0, 40).real
    assert np.allclose(np.abs(real).amax((1, 2)), 0.9)
    assert np.abs(sounds(folder).splits.train.part(0, 40).real).max() < 0.6  # the control


def test_the_fingerprint_sees_another_file(folder):
    before = sounds(folder).fingerprint()
    assert before.differences(sounds(folder).fingerprint()) == []
    soundfile.write(folder / "low" / "0.flac", sine(500, 44100, 0.2), 44100)
    assert before.differences(sounds(folder).fingerprint()) == ["1 file with another size or content: low/0.flac"]


def test_broken_files_are_named(folder):
    (folder / "low" / "0.flac").write_bytes(b"fLaC nothing")
    (folder / "high" / "1.wav").write_bytes(b"RIFF")
    soundfile.write(folder / "high" / "2.wav", np.zeros(0), 16000)
    soundfile.write(folder / "high" / "3.wav", np.full(100, np.nan), 16000, subtype="FLOAT")
    os.mkfifo(folder / "high" / "pipe.wav")
    os.truncate(folder / "high" / "4.wav", 1044)  # 44 bytes of header
    with pytest.raises(DataError) as error:
        sounds(folder).load()
    first, *lines = error.value.lines
    assert first == "data.root: 6 of 41 sounds can't be decoded; repair or remove them"
    said = {line.split("/")[-1].partition(": ")[0]: line.rpartition(": ")[2] for line in lines}
    assert said.keys() == {"0.flac", "1.wav", "2.wav", "3.wav", "4.wav", "pipe.wav"}
    assert said["2.wav"] == "holds no sound"
    assert said["3.wav"] == "holds values that are not finite"
    assert said["4.wav"].startswith("cut off after 1,000 of ")
    assert said["pipe.wav"] == "no file that can be read from its start to its end"


def test_a_header_that_promises_too_much_reads_no_more_than_is_needed(folder):
    """The size in the header of a .wav is 2 GiB, as written to a pipe: only the beginning is asked for."""
    path = folder / "high" / "0.wav"
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = (2**31 - 4).to_bytes(4, "little")
    path.write_bytes(content)
    assert np.abs(read_wave(path, 1024, 16000) - sine(1000, 16000, 0.1)[:1024, 0]).max() < 1e-4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_classes": 3}, r"data\.num_classes: 3, but 2 subfolders of .* hold sounds: high, low; set data\.num_classes=2"),
        ({"sample_shape": (2, 1024)}, r"data\.sample_shape: \[2, 1024\] is no shape of mono sounds"),
        ({"root": "/nosuch"}, r"data\.root: /nosuch does not exist; set data\.root to a folder of sounds"),
    ],
)
def test_what_does_not_fit_is_refused(folder, given, said):
    with pytest.raises(DataError, match=f"^{said}"):
        sounds(**({"root": folder} | given)).count()


def test_a_sound_in_no_class_is_refused(folder):
    soundfile.write(folder / "loose.wav", sine(300, 8000, 0.1), 8000)
    with pytest.raises(DataError, match=r"^data\.root: 1 sounds lie in .* itself and so in no class: loose\.wav"):
        sounds(folder).count()
    assert sum(sounds(folder, num_classes=0).count()) == 41


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no sounds \(\.aif \.aiff \.flac \.ogg \.wav\)"):
        sounds(tmp_path).count()


def test_the_sounds_of_a_run_are_no_data(folder):
    run = folder / "low" / "run"
    (run / "samples").mkdir(parents=True)
    soundfile.write(run / "samples" / "a.wav", sine(300, 8000, 0.1), 8000)
    assert sum(sounds(folder).sizes()) == 41  # the control
    for name in ("config.yaml", "result.json"):
        (run / name).write_text("")
    assert sum(sounds(folder).sizes()) == 40


@pytest.mark.parametrize(("own", "rate"), [(767_999, 4001), (44_100, 16_000), (8001, 191_999)])
def test_the_filter_of_a_resampling_is_bounded(tmp_path, own, rate):
    up, down = resampling_factors(own, rate)
    assert max(up, down) <= 20_000
    assert up / down == pytest.approx(rate / own, rel=5e-5)
    soundfile.write(tmp_path / "a.wav", sine(200, own, 0.2), own)
    found, expected = read_wave(tmp_path / "a.wav", rate // 10, rate), sine(200, rate, 0.1)[:, 0]
    assert np.abs(found - expected[: len(found)])[-200:].max() < 0.01


def test_usual_rates_are_converted_exactly():
    assert resampling_factors(44_100, 16_000) == (160, 441)
    assert resampling_factors(8000, 44_100) == (441, 80)
