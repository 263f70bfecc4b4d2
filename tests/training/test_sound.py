"""Sound from end to end: training, its metric, its pictures and .wav files, and a resumed run that is the same, bit for bit."""

import io
import json
import wave

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_gan import equal

from gan_lightning.data.format.sound import SoundFormat, draw_wave, spectrograms

TINY = (
    *("experiment=tones", "data.count=150", "data.sample_shape=[1,512]", "data.batch_size=8", "model.width=2", "threads=1"),
    *("trainer.accelerator=cpu", "optimizer/schedule=constant", "regularizer=r1", "callback.scalars.every_n_steps=2"),
    *("metric.pitch_accuracy.num_samples=40", "callback.scores.every_n_steps=4"),
)


def read_wav(content):
    with wave.open(io.BytesIO(content), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 4000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def test_a_run_on_tones(command, tmp_path):
    """One run of four steps, and one of two steps that goes on: the same weights; pictures, sound and a metric are written."""
    for name, steps in (("whole", 4), ("part", 2)):
        done = command("gan-train", *TINY, f"trainer.max_steps={steps}", f"hydra.run.dir={name}")
        assert done.code == 0, done.err
    done = command("gan-train", "run=part", "trainer.max_steps=4")
    assert done.code == 0, done.err
    one, two = (
        torch.load(tmp_path / name / "checkpoints" / "step=00000004.ckpt", weights_only=True) for name in ("whole", "part")
    )
    for part in ("state_dict", "optimizer_states"):
        assert equal(one[part], two[part]), part
    scores = json.loads((tmp_path / "whole" / "result.json").read_text())["metrics"]
    assert {"pitch_accuracy", "pitches", "harmonicity", "asked_pitch"} <= set(scores)
    assert 0 <= scores["pitch_accuracy"] <= 1
    assert Image.open(tmp_path / "whole" / "samples" / "step=00000004.png").size == (10 * 100 + 4, 4 * 100 + 4)
    assert len(read_wav((tmp_path / "whole" / "samples" / "step=00000004.wav").read_bytes())) == 40 * (512 + 400)
    events = EventAccumulator(str(tmp_path / "whole"))
    events.Reload()
    assert "sample/ema/audio_summary" in events.Tags()["audio"]
    assert command("gan-sample", "run=whole", "num=3", "out=three.wav").code == 0
    assert command("gan-sample", "run=whole", "num=2", "out=single/").code == 0
    assert command("gan-sample", "run=whole", "num=3", "out=three.npy").code == 0
    found, expected = read_wav((tmp_path / "three.wav").read_bytes()), np.load(tmp_path / "three.npy")
    np.testing.assert_allclose(found.reshape(3, 912)[:, :512], expected[:, 0], atol=1 / 32767)
    assert not found.reshape(3, 912)[:, 512:].any()
    first = read_wav((tmp_path / "single" / "000000.wav").read_bytes())
    np.testing.assert_allclose(first, expected[0, 0], atol=1 / 32767)
    soundfile = pytest.importorskip("soundfile")
    values, rate = soundfile.read(tmp_path / "three.wav")
    assert (len(values), rate) == (3 * 912, 4000)


def test_a_sine_is_one_line_of_its_spectrogram():
    """The brightest row is that of its frequency, and a sine 60 dB quieter is nearly black."""
    t = np.arange(1024) / 4000
    for frequency in (500, 1500):
        loud, quiet = spectrograms(np.stack([0.9 * np.sin(2 * np.pi * frequency * t)] * 2) * [[1], [0.001]])
        rows = loud.astype(int).sum((1, 2))
        assert abs(63 - rows.argmax() - frequency / 2000 * 64) <= 2
        assert quiet.max() < 0.3 * loud.max()


def test_a_wave_is_drawn_between_its_extremes():
    picture = draw_wave(np.concatenate([np.zeros(960), np.tile([1.0, -1.0], 480)]))
    blue = (picture[..., 0] == 31).sum(0)
    assert (blue[:48] == 1).all()
    assert (blue[48:] == 32).all()


def test_values_that_are_not_finite_are_silence():
    form, samples = SoundFormat(4000), torch.full((3, 1, 512), float("nan"))
    samples[1] = 3.0
    assert form.render(samples, 2).shape == (2 * 100 + 4, 2 * 100 + 4, 3)
    values = read_wav(form.encode_samples(samples, ".wav")).reshape(3, 912)[:, :512]
    assert (values[0] == 0).all()
    assert (values[1] == 1).all()
    assert len(form.sound(samples).samples) == 3 * 912
