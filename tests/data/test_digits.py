"""The digits: 1797 of them, split once and for all."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gan_lightning.data.base import DataError
from gan_lightning.data.digits import Digits

SIZES = (1198, 299, 300)
ROUNDED = 0.00393  # half a byte: levels of 16 are kept as bytes


def digits(side=8, num_classes=10, **given):
    return Digits(**({"sample_shape": (1, side, side), "num_classes": num_classes} | given))


@pytest.fixture(scope="module")
def splits():
    return digits().splits


def test_sizes(splits):
    assert tuple(map(len, splits)) == SIZES
    assert digits().count() == SIZES


def test_no_digit_stands_in_two_splits_and_none_is_left_out(splits):
    assert sorted(np.concatenate([part.index for part in splits])) == list(range(1797))


def test_every_split_has_its_share_of_every_class(splits):
    whole = np.bincount(load_digits().target)
    for part, size in zip(splits, SIZES, strict=True):
        assert np.abs(part.labels.bincount().numpy() - whole * size / 1797).max() <= 1


def test_the_split_is_the_same_each_time(splits):
    again = digits(16).splits
    assert all((one.index == other.index).all() for one, other in zip(splits, again, strict=True))


def test_at_8x8_they_are_as_recorded(splits):
    expected = torch.from_numpy(load_digits().images).float().unsqueeze(1) / 8 - 1
    for part in splits:
        torch.testing.assert_close(part.part(0, 1797).real, expected[part.index], rtol=0, atol=ROUNDED)
        assert torch.equal(part.labels, torch.from_numpy(load_digits().target[part.index]))


def test_there_are_17_grey_levels(splits):
    levels = splits.train.part(0, 1797).real.unique()
    torch.testing.assert_close(levels, torch.linspace(-1, 1, 17), rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_values_lie_in_range_and_fill_it(side):
    found = digits(side).splits.validation.part(0, 299).real
    assert found.shape == (299, 1, side, side)
    assert found.dtype == torch.float32
    assert (found.min(), found.max()) == (-1, 1)


@pytest.mark.parametrize("side", [16, 32])
def test_enlarged_they_are_the_same_digits(side, splits):
    large = digits(side).splits.test.part(0, 300).real
    small = torch.nn.functional.adaptive_avg_pool2d(large, 8)
    assert (small - splits.test.part(0, 300).real).abs().mean() < 0.1
    assert (small - splits.test.part(0, 300).real.flip(3)).abs().mean() > 0.3  # mirrored they would not be


def test_a_batch_has_digits_and_their_classes(splits):
    batch = splits.train.batch(seed=0, i=0, n=64)
    assert batch.real.shape == (64, 1, 8, 8)
    assert (batch.condition.shape, batch.condition.dtype) == ((64,), torch.int64)
    taken = splits.train.take(torch.tensor([700, 3]))
    assert torch.equal(taken.real, splits.train.part(0, 1198).real[[700, 3]])
    assert torch.equal(taken.condition, splits.train.labels[[700, 3]])


def test_hidden_classes_are_no_labels():
    assert digits(num_classes=0).splits.train.batch(seed=0, i=0, n=4).condition is None


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16), (1, 8, 16), (8, 8), (64,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match=r"^data\.sample_shape: .* allowed: \[1,8,8\], \[1,16,16\], \[1,32,32\]$"):
        digits(sample_shape=shape).count()
    with pytest.raises(DataError, match=r"^data\.sample_shape: "):
        digits(sample_shape=shape).load()


@pytest.mark.parametrize("num_classes", [1, 9, 11])
def test_other_numbers_of_classes_are_refused(num_classes):
    with pytest.raises(DataError, match=rf"^data\.num_classes: the digits have 10 classes, not {num_classes}; 0 hides them$"):
        digits(num_classes=num_classes).count()
