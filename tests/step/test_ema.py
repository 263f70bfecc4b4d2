"""The generator's running average, against its recursion written by hand."""

import pytest
import torch
from torch import nn

from gan_lightning.step.ema import EMA
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Ramp


class Network(nn.Module):
    """One weight, and batch statistics."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.norm = nn.BatchNorm1d(1, affine=False)

    def forward(self, x):
        return self.norm(self.weight * x)


def average(ema, network, weights):
    """The average after each of the weights."""
    found = []
    for step, weight in enumerate(weights):
        network.weight.data.fill_(weight)
        ema.advance(Progress(step, 10**6))
        ema.update(network)
        found.append(ema.average.weight.item())
    return found


def test_the_recursion_by_hand():
    network = Network(8.0)
    found = average(EMA(network, decay=0.5, warm_up=False), network, [0.0, 4.0, 4.0, -6.0])
    assert found == [4.0, 4.0, 4.0, -1.0]


def test_the_warm_up_by_hand():
    """Decays 1/10, 2/11, 3/12, then no more than 0.25."""
    network = Network(10.0)
    found = average(EMA(network, decay=0.25), network, [0.0, 11.0, 0.0, 0.0])
    # 10 → 1 → 1 · 2/11 + 11 · 9/11 = 101/11, then a quarter each time
    assert found == pytest.approx([1.0, 101 / 11, 101 / 44, 101 / 176], rel=1e-6)


def test_the_recursion_over_a_long_run():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2000, generator=generator).tolist()
    network, expected = Network(3.0), 3.0
    found = average(EMA(network, decay=0.99), network, weights)[-1]
    for t, weight in enumerate(weights):
        decay = min(0.99, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * weight
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("decay", "step", "weight"), [(0.999, 0, 0.9), (0.999, 90, 0.09), (0.999, 10**5, 0.001), (0.5, 8, 0.5), (0.5, 7, 9 / 17)]
)
def test_the_weight_is_a_function_of_the_step_alone(decay, step, weight):
    ema = EMA(Network(), decay)
    for _ in range(2):
        ema.advance(Progress(step, 10**6))
        assert ema.weight == pytest.approx(weight, rel=1e-6)
        ema.advance(Progress(10**6, 10**6))


def test_a_constant_stays_what_it_is():
    network = Network(0.1)
    assert set(average(EMA(network), network, [0.1] * 50)) == {network.weight.item()}


def test_buffers_are_copied():
    network = Network()
    ema = EMA(network, decay=0.9)
    network(torch.tensor([[1.0], [5.0]]))
    ema.advance(Progress(100, 1000))
    ema.update(network)
    assert torch.equal(ema.average.norm.running_mean, network.norm.running_mean)
    assert torch.equal(ema.average.norm.running_var, network.norm.running_var)
    assert ema.average.norm.num_batches_tracked == 1
    network(torch.tensor([[1.0], [5.0]]))
    assert ema.average.norm.num_batches_tracked == 1  # a copy, not the same tensor


def test_decay_0_is_the_generator_itself():
    network = Network()
    weights = torch.randn(100, generator=torch.Generator().manual_seed(0)).tolist()
    assert average(EMA(network, decay=0.0), network, weights) == pytest.approx(weights, rel=1e-6, abs=1e-6)


def test_it_starts_as_a_copy():
    network = Network(2.0)
    ema = EMA(network)
    network.weight.data.fill_(5.0)
    assert ema.average.weight == 2


def test_it_never_trains():
    network = Network()
    ema = EMA(network)
    game = nn.ModuleList([network, ema])
    game.train()
    assert network.training
    assert not ema.average.training
    assert not ema.average.norm.training
    before = ema.average.norm.running_mean.clone()
    ema.average(torch.tensor([[1.0], [5.0]]))
    assert torch.equal(before, ema.average.norm.running_mean)


def test_it_has_no_gradient():
    network = Network()
    ema = EMA(network, decay=0.5)
    assert all(not p.requires_grad for p in ema.parameters())
    assert all(p.requires_grad for p in network.parameters())
    ema.advance(Progress(0, 1000))
    ema.update(network)
    assert ema.average.weight.grad_fn is None
    assert not ema.average(torch.ones(2, 1)).requires_grad


def test_a_checkpoint_holds_the_average_and_nothing_else():
    names = {f"average.{name}" for name in Network().state_dict()}
    assert EMA(Network()).state_dict().keys() == names


def test_the_generator_is_not_moved():
    network = Network(1.5)
    ema = EMA(network, decay=0.5)
    ema.average.weight.fill_(-1)
    ema.advance(Progress(50, 1000))
    ema.update(network)
    assert network.weight == 1.5


@pytest.mark.parametrize(("step", "decay"), [(0, 0.0), (25, 0.5), (50, 2**-0.5), (75, 2**-0.5)])
def test_a_schedule_multiplies_the_half_life_by_hand(step, decay):
    """The half-life of 2^(−1/2) is 2 steps: none of it, 1 step, then all of it."""
    ema = EMA(Network(), decay=2**-0.5, warm_up=False, schedule=Ramp(warmup_fraction=0.5))
    ema.advance(Progress(step, 100))
    assert ema.weight == pytest.approx(1 - decay, rel=1e-6)
