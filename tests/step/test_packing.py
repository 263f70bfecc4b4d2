"""Packed samples and conditions: which of them share a row."""

import torch

from gan_lightning.step.packing import pack_condition, pack_samples


def test_consecutive_samples_are_joined_along_the_channels():
    packed = pack_samples(torch.arange(6 * 2 * 3).view(6, 2, 3), 3)
    assert packed.shape == (2, 6, 3)
    assert packed[1, :, 0].tolist() == [18, 21, 24, 27, 30, 33]


def test_conditions_of_any_shape_are_packed_in_the_same_order():
    assert pack_condition(torch.arange(6), 2).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert pack_condition(torch.zeros(6, 5), 3).shape == (2, 3, 5)
    assert pack_condition(torch.zeros(4, 3, 8, 8), 2).shape == (2, 2, 3, 8, 8)


def test_without_packing_a_condition_stays_as_it_is():
    condition = torch.arange(6)
    assert pack_condition(condition, 1) is condition
    assert pack_condition(None, 2) is None
