"""Conditions of generated samples, pictures and files of samples: what each kind of data defines, and all commands use."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_lightning.callback import media_logging
from gan_lightning.cli.sample import require_ending, write_samples
from gan_lightning.config.errors import UserError
from gan_lightning.data.base import Data
from gan_lightning.data.digits import Digits
from gan_lightning.data.format.base import SampleFormat, Sound
from gan_lightning.data.format.by_shape import format_by_shape
from gan_lightning.data.ring import Ring

DIGITS = Digits(sample_shape=(1, 8, 8), num_classes=10)
RING = Ring(sample_shape=(2,), num_classes=0)


class Letters(SampleFormat):
    """Draw one-hot letters as a black picture, and write them as text."""

    suffix, collections = ".txt", (".txt",)

    def render(self, samples, columns=8, real=None):
        return np.zeros((len(samples), columns, 3), np.uint8)

    def encode_sample(self, sample, software):
        return "".join(chr(97 + i) for i in sample.argmax(0)).encode()

    def encode_samples(self, samples, ending):
        return b"\n".join(self.encode_sample(sample, "") for sample in samples)


class Text(Data):
    """One-hot letters (26, T): of a signal's shape, but of another kind."""

    @property
    def sample_format(self):
        return Letters()


@pytest.mark.parametrize(("start", "n"), [(0, 1), (7, 25), (0, 80)])
def test_classes_take_turns(start, n):
    assert DIGITS.conditions(start, n).tolist() == [(start + i) % 10 for i in range(n)]
    assert RING.conditions(start, n) is None


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (3, 2), (3, 1, 64)])
def test_images_points_and_signals_are_shown_as_they_are(shape):
    samples = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    picture = Text(shape[1:], 0).render(samples, 2)
    assert picture.shape == (3, 2, 3)  # control: a format of its own, whatever the shape
    assert format_by_shape(shape[1:]).render(samples, 2).shape[0] > 3


def test_an_image_is_written_as_png_and_a_point_as_an_array(tmp_path):
    DIGITS.write(torch.full((1, 8, 8), 1.0), tmp_path / "000000", "mine")
    assert np.array(Image.open(tmp_path / "000000.png")).tolist() == [[255] * 8] * 8
    assert Image.open(tmp_path / "000000.png").text == {"Software": "mine"}
    RING.write(torch.tensor([1.0, 2.0]), tmp_path / "000001", "mine")
    assert np.load(tmp_path / "000001.npy").tolist() == [1, 2]


def test_gan_sample_shows_and_writes_by_the_kind_of_data(tmp_path):
    text, letters = Text((26, 3), 0), torch.eye(26)[[7, 8, 25]].T.unsqueeze(0)
    write_samples(text, letters, 4, tmp_path, folder=True)
    assert (tmp_path / "000000.txt").read_text() == "hiz"
    write_samples(text, letters, 4, tmp_path / "grid.png", folder=False)
    assert np.array(Image.open(tmp_path / "grid.png")).shape == (1, 4, 3)
    write_samples(text, letters.repeat(2, 1, 1), 4, tmp_path / "all.txt", folder=False)
    assert (tmp_path / "all.txt").read_text() == "hiz\nhiz"


def test_points_are_written_as_a_table(tmp_path):
    points = torch.tensor([[0.1, -2.0], [1e-9, 3.5]])
    write_samples(RING, points, 4, tmp_path / "points.csv", folder=False)
    content = (tmp_path / "points.csv").read_text()
    assert content.splitlines()[0] == "x0,x1"
    assert np.array_equal(np.loadtxt(io.StringIO(content), delimiter=",", skiprows=1, dtype=np.float32), points.numpy())


def test_an_ending_that_the_samples_can_not_have_is_refused(tmp_path):
    require_ending(tmp_path / "x.TXT", Letters.collections)
    with pytest.raises(UserError, match=r"out=.*x\.wav: \.wav is nothing .* allowed: a folder ending in /, \.txt, \.npy, or"):
        require_ending(tmp_path / "x.wav", Letters.collections)


def test_sound_and_text_are_in_tensorboard(tmp_path):
    logger, tone = TensorBoardLogger(tmp_path, name="", version=""), np.sin(np.arange(800, dtype=np.float32) / 4)
    media_logging.log_sound(logger, "sample/ema", Sound(tone, 8000), 3)
    media_logging.log_text(logger, "sample/ema", "two *lines*", 3)
    (path,) = tmp_path.glob("*.images")
    events = EventAccumulator(str(path)).Reload()
    (audio,) = events.Audio("sample/ema/audio_summary")
    assert (audio.step, audio.sample_rate, audio.encoded_audio_string[:4]) == (3, 8000, b"RIFF")
    assert events.Tags()["tensors"] == ["sample/ema/text_summary"]
