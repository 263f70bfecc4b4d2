"""A player's optimizer: scheduled settings by hand, and parameters that are frozen or learn at another rate."""

from functools import partial

import pytest
import torch
from torch import nn

from gan_lightning.step.optimization import PlayerOptimizer
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Constant, Cosine, Linear

ADAM = partial(torch.optim.Adam, lr=2e-4, betas=[0.0, 0.9])


def network():
    return nn.ModuleDict({"mapping": nn.Linear(2, 2), "map": nn.Linear(2, 2), "body": nn.Sequential(nn.Linear(2, 2))})


def settings(optimizer):
    return [(group["lr"], group["betas"]) for group in optimizer.param_groups]


def test_the_schedules_of_r3gan_by_hand():
    """The learning rate 2e-4 → 5e-5 and beta2 0.9 → 0.99, along half a cosine."""
    player = PlayerOptimizer(ADAM, [("lr", Cosine(final=0.25)), ("beta2", Cosine(final=1.1))])
    optimizer = player.build(network())
    for step, lr, beta2 in ((0, 2e-4, 0.9), (50, 1.25e-4, 0.945), (100, 5e-5, 0.99), (0, 2e-4, 0.9)):
        player.advance(optimizer, Progress(step, 100))
        assert settings(optimizer) == [(pytest.approx(lr), pytest.approx([0.0, beta2]))]


def test_schedules_of_one_setting_are_multiplied():
    player = PlayerOptimizer(ADAM, [("lr", Linear()), ("lr", Linear(final=0.5))])
    optimizer = player.build(network())
    player.advance(optimizer, Progress(1, 2))
    assert settings(optimizer)[0][0] == pytest.approx(2e-4 * 0.5 * 0.75)


def test_a_constant_schedule_changes_no_bit_and_no_setting_beside_its_own():
    player = PlayerOptimizer(ADAM, [("lr", Constant())])
    optimizer = player.build(network())
    before = dict(optimizer.param_groups[0])
    player.advance(optimizer, Progress(3, 7))
    assert optimizer.param_groups[0] == before | {"initial_lr": 2e-4}


def test_an_optimizer_that_is_loaded_goes_on_from_the_first_values():
    player = PlayerOptimizer(ADAM, [("lr", Cosine(final=0.25)), ("beta2", Cosine(final=1.1))])
    whole, rest = player.build(network()), player.build(network())
    for step in range(4):
        player.advance(whole, Progress(step, 9))
    rest.load_state_dict(whole.state_dict())
    for optimizer in (whole, rest):
        player.advance(optimizer, Progress(4, 9))
    assert settings(whole) == settings(rest)


def test_parts_learn_at_their_own_rate_or_not_at_all():
    player = PlayerOptimizer(ADAM, [("lr", Linear())], {"mapping": 0.01, "mapping.bias": 0.5, "body": 0.0})
    net, head = network(), nn.Parameter(torch.zeros(3))
    optimizer = player.build(net, [head])
    player.advance(optimizer, Progress(1, 2))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    expected = {"mapping.weight": 1e-6, "mapping.bias": 5e-5, "map.weight": 1e-4, "map.bias": 1e-4}
    assert {name: pytest.approx(rates.get(id(p))) for name, p in net.named_parameters() if id(p) in rates} == expected
    assert rates[id(head)] == pytest.approx(1e-4)
    assert [p.requires_grad for p in net["body"].parameters()] == [False, False]


def test_without_multipliers_there_is_one_group():
    assert len(PlayerOptimizer(ADAM).build(network()).param_groups) == 1
