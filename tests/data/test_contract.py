"""Conditions of generated samples, pictures and files of samples: what each kind of data defines, and all commands use."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lightning.data import render
from gan_lightning.data.base import Data
from gan_lightning.data.digits import Digits
from gan_lightning.data.ring import Ring

DIGITS = Digits(sample_shape=(1, 8, 8), num_classes=10)


class Text(Data):
    """One-hot letters (26, T), shown as a grey image and written as text."""

    def render(self, samples, columns=8, real=None):
        return np.zeros((len(samples), columns, 3), np.uint8)

    def write(self, sample, path, software):
        path.with_suffix(".txt").write_text("".join(chr(97 + i) for i in sample.argmax(0)))


@pytest.mark.parametrize(("start", "n"), [(0, 1), (7, 25), (0, 80)])
def test_classes_take_turns(start, n):
    assert DIGITS.conditions(start, n).tolist() == [(start + i) % 10 for i in range(n)]
    assert Ring(sample_shape=(2,), num_classes=0).conditions(start, n) is None


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (3, 2), (3, 1, 64)])
def test_images_points_and_signals_are_shown_as_they_are(shape):
    samples = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    real = torch.randn(5, 2) if len(shape) == 2 else None
    assert np.array_equal(Data.render(DIGITS, samples, 2, real), render.render(samples, 2, real))


def test_an_image_is_written_as_png_and_other_samples_as_arrays(tmp_path):
    DIGITS.write(torch.full((1, 8, 8), 1.0), tmp_path / "000000", "mine")
    assert np.array(Image.open(tmp_path / "000000.png")).tolist() == [[255] * 8] * 8
    assert Image.open(tmp_path / "000000.png").text == {"Software": "mine"}
    DIGITS.write(torch.tensor([1.0, 2.0]), tmp_path / "000001", "mine")
    assert np.load(tmp_path / "000001.npy").tolist() == [1, 2]


def test_gan_sample_shows_and_writes_by_the_kind_of_data(tmp_path):
    """The negative control of the two tests above: another kind of the same rank as a signal."""
    from gan_lightning.cli.sample import write_samples

    text, letters = Text((26, 3), 0), torch.eye(26)[[7, 8, 25]].T.unsqueeze(0)
    write_samples(text, letters, 4, tmp_path, folder=True)
    assert (tmp_path / "000000.txt").read_text() == "hiz"
    write_samples(text, letters, 4, tmp_path / "grid.png", folder=False)
    assert np.array(Image.open(tmp_path / "grid.png")).shape == (1, 4, 3)
