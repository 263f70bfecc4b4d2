"""R3GAN: published parameter counts, groups, and the start of its residual branches."""

import pytest
import torch
from torch import nn

from gan_lightning.model.layer.residual_bottleneck import ResidualBottleneck
from gan_lightning.model.r3gan import Discriminator, Generator

IMAGENET = {"width": 1536, "max_width": 1536, "group_width": 32}


def number(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("size", "classes", "given", "counts"),
    [
        (256, 0, {}, (23_057_952, 23_009_568)),  # the published one: Huang et al. 2024, table 2, configuration E
        (64, 0, {"width": 384}, (22_429_824, 22_381_440)),
        (32, 10, {"width": 768}, (20_781_952, 21_280_512)),
        (32, 1000, IMAGENET, (82_914_304, 86_548_992)),
        (64, 1000, IMAGENET, (103_570_432, 107_205_120)),
    ],
)
def test_published_parameter_counts(size, classes, given, counts):
    with torch.device("meta"):
        g, d = Generator(64, (3, size, size), classes, **given), Discriminator((3, size, size), classes, **given)
    assert (number(g), number(d)) == counts


def test_eval_mode_is_a_function_of_z_and_the_condition():
    torch.manual_seed(0)
    network = Generator(6, (2, 8, 12), 3, width=4).eval()
    z, condition = torch.randn(6, 6), torch.arange(6) % 3
    whole = network(z, condition)
    halves = torch.cat([network(z[:3], condition[:3]), network(z[3:], condition[3:])])
    torch.testing.assert_close(whole, halves, rtol=0, atol=1e-5)
    assert torch.equal(whole, network(z, condition))


@pytest.mark.parametrize(
    ("width", "group_width", "groups"), [(96, 16, 12), (768, 16, 96), (8, 16, 1), (22, 16, 2), (38, 16, 4)]
)
def test_the_groups_divide_the_maps(width, group_width, groups):
    with torch.device("meta"):
        network = Generator(4, (1, 8, 8), width=width, max_width=width, group_width=group_width)
    blocks = [m for m in network.modules() if isinstance(m, ResidualBottleneck)]
    assert len(blocks) == 4  # two at each of two sizes
    assert {m.branch[2].groups for m in blocks} == {groups}


def test_no_layer_normalises_and_only_activations_have_biases():
    for network in (Generator(4, (1, 16, 16), 3, width=8), Discriminator((1, 16, 16), 3, width=8)):
        assert not [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm)]
        assert all(m.bias is None for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def test_the_discriminators_start_keeps_the_scale_of_its_input():
    """Branches that start at 0 leave resampling and linear layers only."""
    torch.manual_seed(0)
    x = torch.randn(64, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    output = Discriminator((3, 16, 16), width=32, max_width=128)(x)
    assert 0.2 < output.features.std() < 2


def test_a_class_enters_by_a_product():
    torch.manual_seed(0)
    network, x, condition = Discriminator((1, 8, 8), 3, width=4), torch.randn(3, 1, 8, 8), torch.tensor([2, 0, 1])
    output = network(x, condition)
    torch.testing.assert_close(output.logits, (network.head(output.features) * network.embedding(condition)).sum(1))
    with torch.device("meta"):
        generator = Generator(64, (3, 32, 32), 10, width=8)
    assert generator.embedding.weight.shape == (10, 64)  # as many numbers as z
    assert generator.weights.in_features == 128


def test_at_most_four_channels_are_drawn():
    with pytest.raises(ValueError, match=r"^5 channels are too many; allowed: 1 to 4$"):
        Generator(6, (5, 8, 8), width=4)
    assert Discriminator((10, 8, 8), width=4)(torch.randn(2, 10, 8, 8)).logits.shape == (2,)
