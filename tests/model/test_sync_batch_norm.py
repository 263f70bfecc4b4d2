"""Batch normalisation of several ranks; what they give together is in tests/distributed/test_ranks.py."""

import pytest
import torch
from torch import nn

from gan_lightning.model.layer.sync_batch_norm import SyncBatchNorm, local_batch_norm, synchronize_batch_norm


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4, momentum=None), nn.ReLU()))


def test_alone_it_is_what_it_was_made_of():
    one, other, x = network(), network(), torch.randn(5, 1, 6, 6)
    parameters = list(other.parameters())
    synchronize_batch_norm(other)
    assert sum(isinstance(layer, SyncBatchNorm) for layer in other.modules()) == 2
    assert all(p is q for p, q in zip(parameters, other.parameters(), strict=True))
    for mode in (True, False):
        assert torch.equal(one.train(mode)(x), other.train(mode)(x))
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in one.state_dict().items())


def test_it_takes_the_shapes_that_its_original_takes():
    net = network()
    synchronize_batch_norm(net)
    with pytest.raises(ValueError, match="expected 4D input"):
        net[1](torch.randn(5, 4))


def test_alone_ends_with_its_block():
    net = network()
    synchronize_batch_norm(net)
    with local_batch_norm(net):
        assert not net[1].synchronized
    assert net[1].synchronized
