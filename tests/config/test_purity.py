"""The rule that a sample in eval mode depends on its own z and condition alone, and generators that break it."""

import pytest
import torch
from tiny_gan import LATENT, make_gan
from torch import nn

from gan_lightning.config.errors import UserError
from gan_lightning.config.purity import random_operation, require_pure_generator
from gan_lightning.data.digits import Digits
from gan_lightning.model import mlp, resize_convolution

DATA = Digits(sample_shape=(1, 8, 8), num_classes=10)


class Noisy(mlp.Generator):
    """Adds noise of a learned strength, which begins with 0."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, z, condition=None):
        x = super().forward(z, condition)
        return x + self.strength * torch.randn_like(x)


class BatchStatistics(mlp.Generator):
    """Normalises by the batch, in eval mode too."""

    def forward(self, z, condition=None):
        x = super().forward(z, condition)
        return x - x.mean(0)


class ByPosition(mlp.Generator):
    """Adds a constant noise for each place in the batch."""

    def forward(self, z, condition=None):
        return super().forward(z, condition) + torch.arange(len(z)).view(-1, 1, 1, 1)


def gan(generator):
    torch.manual_seed(0)
    return make_gan((1, 8, 8), 10, generator=generator(LATENT, (1, 8, 8), 10, width=8))


@pytest.mark.parametrize("generator", [Noisy, BatchStatistics, ByPosition])
def test_what_depends_on_more_than_z_and_the_condition_is_refused(generator):
    what = "6 samples differ from the same ones drawn 2 at a time; in eval mode let each sample depend on its own z and"
    with pytest.raises(UserError, match=what):
        require_pure_generator(gan(generator), DATA)


@pytest.mark.parametrize("generator", [mlp.Generator, resize_convolution.Generator])
def test_the_rule_is_kept_by_networks_with_statistics_of_training(generator):
    own = gan(generator)
    before = {name: x.clone() for name, x in own.state_dict().items()}
    state = torch.get_rng_state()
    require_pure_generator(own, DATA)
    assert own.generator.training
    assert all(torch.equal(x, before[name]) for name, x in own.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_that_are_not_finite_are_left_to_the_alarms():
    broken = gan(mlp.Generator)
    broken.generator.out.bias.data.fill_(float("nan"))
    require_pure_generator(broken, DATA)


def test_random_operations_are_found_without_values():
    with torch.device("meta"):
        z, classes = torch.empty(3, LATENT), torch.empty(3, dtype=torch.long)
        assert random_operation(Noisy(LATENT, (1, 8, 8), 10, width=4), z, classes) == "randn_like"
        assert random_operation(mlp.Generator(LATENT, (1, 8, 8), 10, width=4), z, classes) is None
        dropout = nn.Sequential(nn.Linear(LATENT, 4), nn.Dropout())
        dropout.forward = lambda z, condition: nn.Sequential.forward(dropout, z)
        assert random_operation(dropout, z, classes) is None
        assert dropout.training
