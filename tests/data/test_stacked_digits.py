"""Three digits as RGB: independent channels, splits that share no digit, draws that repeat."""

import pytest
import torch

from gan_lightning.data.base import DataError
from gan_lightning.data.digits import Digits
from gan_lightning.data.stacked_digits import StackedDigits

GIVEN = {"sample_shape": (3, 8, 8), "num_classes": 0}
DIGITS = Digits(sample_shape=(1, 8, 8), num_classes=10).splits


@pytest.fixture(scope="module")
def splits():
    return StackedDigits(**GIVEN).splits


def which(samples, digits):
    """For each channel of each sample the place of its digit; fails if there is none."""
    places = {tuple(digit.flatten().tolist()): at for at, digit in enumerate(digits)}
    return torch.tensor([[places[tuple(channel.flatten().tolist())] for channel in sample] for sample in samples])


def test_a_batch_is_colour_and_has_no_labels(splits):
    batch = splits.train.batch(seed=0, i=0, n=64)
    assert (batch.real.shape, batch.real.dtype, batch.condition) == ((64, 3, 8, 8), torch.float32, None)
    assert (batch.real.min(), batch.real.max()) == (-1, 1)


def test_channels_are_digits_of_their_split(splits):
    for stacked, single in zip(splits, DIGITS, strict=True):
        digits = single.part(0, 1198).real
        assert which(stacked.part(0, 200).real, digits).max() < len(digits)


def test_every_channel_shows_every_digit_independently(splits):
    at = which(splits.train.batch(seed=0, i=0, n=20000).real, DIGITS.train.part(0, 1198).real)
    read = DIGITS.train.labels[at]
    share = DIGITS.train.labels.bincount() / 1198
    for channel in range(3):
        torch.testing.assert_close(read[:, channel].bincount() / 20000, share, rtol=0, atol=0.01)
    triples = (read * torch.tensor([100, 10, 1])).sum(1)
    assert len(triples.unique()) == 1000
    assert at.T.double().corrcoef().fill_diagonal_(0).abs().max() < 0.03


def test_a_batch_is_a_function_of_seed_place_and_rank(splits):
    def drawn(**given):
        return splits.train.batch(**({"seed": 0, "i": 5, "n": 8} | given)).real

    assert torch.equal(drawn(), drawn())
    assert torch.equal(drawn(rank=1, world_size=2), drawn(rank=1, world_size=4))
    others = [drawn(seed=1), drawn(i=6), drawn(rank=1, world_size=2)]
    assert not any(torch.equal(drawn(), other) for other in others)


def test_parts_are_always_the_same_and_others_in_each_split_and_place(splits):
    again = StackedDigits(**GIVEN).splits
    for one, other in zip(splits, again, strict=True):
        assert torch.equal(one.part(500, 20).real, other.part(500, 20).real)
        assert not torch.equal(one.part(500, 20).real, one.part(0, 20).real)
        assert torch.equal(one.part(0, 20).real, one.part(0, 20).real)
    assert len({tuple(split.part(0, 20).real.flatten().tolist()) for split in splits}) == 3


def test_they_do_not_run_out(splits):
    assert StackedDigits(**GIVEN).count() is None
    assert splits.train.batch(seed=0, i=10**9, n=3).real.shape == (3, 3, 8, 8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (3, 8), (192,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match=r"^data\.sample_shape: .* is no shape of stacked digits; allowed: \[3, 8, 8\]$"):
        StackedDigits(sample_shape=shape, num_classes=0).count()


def test_classes_are_refused():
    with pytest.raises(DataError, match=r"^data\.num_classes: stacked digits are unlabelled, 0, not 10$"):
        StackedDigits(sample_shape=(3, 8, 8), num_classes=10).load()
