"""Every loss that conf/loss names: numbers worked out by hand, and what all losses must keep."""

import itertools

import pytest
import torch
import yaml
from discovery import classes
from torch import tensor

from gan_lightning import loss as room
from gan_lightning.config.compose import config_dir
from gan_lightning.config.instantiate import instantiate
from gan_lightning.loss.base import AdversarialLoss
from gan_lightning.loss.dual_contrastive import DualContrastive
from gan_lightning.loss.minimax import Minimax
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.loss.relativistic import Relativistic
from gan_lightning.loss.top_k import TopK
from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Linear

REAL, FAKE = [0.0, 2.0, -1.0], [1.0, -0.5, 0.0]

# name → what D minimises, what G minimises. With softplus(x) = log(1 + eˣ): softplus(0) = 0.693147, softplus(0.5) = 0.974077,
# softplus(1) = 1.313262, softplus(2) = 2.126928, softplus(2.5) = 2.578890, and softplus(−x) = softplus(x) − x.
NUMBERS = {
    # e^real 1, 7.389056, 0.367879; e^fake 2.718282, 0.606531, 1: Σ 4.324813; e^−fake 0.367879, 1.648721, 1; Σ e^−real 3.853617
    "dual_contrastive": ([4.112567, 1.665947, 4.125731], [-4.112567, -1.665947, -4.125731]),
    "hinge": ([3.0, 0.5, 3.0], [-1.0, 0.5, 0.0]),
    "least_squares": ([1.0, 0.625, 2.0], [0.0, 1.125, 0.5]),
    "minimax": ([2.006409, 0.601005, 2.006409], [-1.313262, -0.474077, -0.693147]),
    "non_saturating": ([2.006409, 0.601005, 2.006409], [0.313262, 0.974077, 0.693147]),
    "relativistic": ([1.313262, 0.078890, 1.313262], [0.313262, 2.578890, 0.313262]),
    "relativistic_average": ([1.860985, 0.509201, 1.978070], [1.027652, 3.175868, 1.144737]),  # means 1/3 and 1/6
    "top_k": ([2.006409, 0.601005, 2.006409], [0.313262, 0.974077, 0.693147]),  # at the beginning: the loss inside
    "wasserstein": ([1.0, -2.5, 1.0], [-1.0, 0.5, 0.0]),
}

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((config_dir() / "loss").glob("*.yaml"))}
OPTIONS = {name: node for name, node in FILES.items() if "_target_" in node}
every = pytest.mark.parametrize("name", OPTIONS)


def logits(values):
    return tensor(values).requires_grad_()


def slopes(term, *at):
    return torch.autograd.grad(term.sum(), at)


def test_there_are_losses():
    assert OPTIONS
    assert classes(room, AdversarialLoss)


def test_every_option_is_a_class_of_the_room_and_every_class_an_option():
    assert {node["_target_"] for node in OPTIONS.values()} == classes(room, AdversarialLoss)


def test_an_option_without_a_class_builds_on_another():
    assert all("defaults" in node for name, node in FILES.items() if name not in OPTIONS)


@every
def test_numbers_by_hand(name):
    assert name in NUMBERS, f"conf/loss/{name}.yaml has no numbers: add a row for it to NUMBERS in {__file__}"
    loss, (discriminator, generator) = instantiate(OPTIONS[name]), NUMBERS[name]
    real = tensor(REAL) if loss.relativistic else None
    torch.testing.assert_close(loss.discriminator(tensor(REAL), tensor(FAKE)), tensor(discriminator), rtol=0, atol=1e-5)
    torch.testing.assert_close(loss.generator(real, tensor(FAKE)), tensor(generator), rtol=0, atol=1e-5)


def test_every_row_of_numbers_has_its_loss():
    assert NUMBERS.keys() <= OPTIONS.keys()


@every
@pytest.mark.parametrize("n", [1, 5])
def test_a_loss_is_never_reduced(name, n):
    loss = instantiate(OPTIONS[name])
    assert loss.discriminator(torch.randn(n), torch.randn(n)).shape == (n,)
    assert loss.generator(torch.randn(n), torch.randn(n)).shape == (n,)


@every
def test_far_away_logits_have_finite_values_and_gradients(name):
    loss = instantiate(OPTIONS[name])
    real, fake = (logits(values) for values in zip(*itertools.product([-1e4, 1e4], repeat=2), strict=True))
    for term in (loss.discriminator(real, fake), loss.generator(real, fake)):
        assert term.isfinite().all()
        found = torch.autograd.grad(term.sum(), [real, fake], allow_unused=True)
        assert all(slope.isfinite().all() for slope in found if slope is not None)


@every
def test_d_wants_real_up_and_fake_down_and_g_wants_fake_up(name):
    """At logits inside the margins: a hinge is flat beyond ±1, squares turn at their targets."""
    loss = instantiate(OPTIONS[name])
    real, fake = (logits(values) for values in zip(*itertools.product([-0.9, 0.0, 0.9], [0.1, 0.5, 0.9]), strict=True))
    of_real, of_fake = slopes(loss.discriminator(real, fake), real, fake)
    assert (of_real < 0).all()
    assert (of_fake > 0).all()
    assert (slopes(loss.generator(real, fake), fake)[0] < 0).all()


@every
def test_a_relativistic_generator_reads_real_logits_and_no_other_does(name):
    loss = instantiate(OPTIONS[name])
    one, other = loss.generator(tensor(REAL), tensor(FAKE)), loss.generator(tensor(REAL) + 1, tensor(FAKE))
    assert loss.relativistic == (not torch.equal(one, other))
    if not loss.relativistic:
        assert torch.equal(loss.generator(None, tensor(FAKE)), one)


@every
def test_a_shift_of_all_logits_changes_no_gradient_where_the_loss_says_so(name):
    loss, found = instantiate(OPTIONS[name]), []
    for shift in (0.0, 2.0):
        real, fake = logits([value + shift for value in REAL]), logits([value + shift for value in FAKE])
        found += slopes(loss.discriminator(real, fake), real, fake)
    assert loss.shift_invariant == all(
        torch.allclose(one, other, atol=1e-6) for one, other in zip(found[:2], found[2:], strict=True)
    )


def test_minimax_is_zero_sum():
    """D's value and G's together do not depend on the fakes: what one wins there the other loses."""
    real, fake = tensor(REAL), tensor(FAKE)
    together = Minimax().discriminator(real, fake) + Minimax().generator(None, fake)
    torch.testing.assert_close(together, tensor([0.693147, 0.126928, 1.313262]), rtol=0, atol=1e-5)  # softplus(−real)


def test_the_saturating_gradient_vanishes_where_d_rejects():
    fake = logits([-10.0, -2.0, 0.0, 3.0])
    minimax, non_saturating = (slopes(loss.generator(None, fake), fake)[0] for loss in (Minimax(), NonSaturating()))
    torch.testing.assert_close(minimax, -torch.sigmoid(fake))
    torch.testing.assert_close(non_saturating, -torch.sigmoid(-fake))
    assert minimax[0].abs() < 5e-5
    assert non_saturating[0].abs() > 0.9999


def test_top_k_by_hand():
    """G's terms of the two highest of four logits, times 4 / 2; D's are those of the loss inside."""
    loss, fake = TopK(NonSaturating(), Linear(final=0.0)), logits([1.0, -0.5, 0.0, 2.0])
    loss.advance(Progress(80, 100))  # a fifth is less than the minimum
    assert loss.share == 0.5
    torch.testing.assert_close(loss.generator(None, fake), tensor([0.626523, 0.0, 0.0, 0.253856]), rtol=0, atol=1e-5)
    assert torch.equal(slopes(loss.generator(None, fake), fake)[0] == 0, tensor([False, True, True, False]))
    torch.testing.assert_close(loss.discriminator(fake, fake), NonSaturating().discriminator(fake, fake))
    loss.advance(Progress(30, 100))  # 2.8 of 4
    assert (loss.generator(None, fake) > 0).sum() == 3
    torch.testing.assert_close(loss.generator(None, fake).mean() * 3, NonSaturating().generator(None, fake)[[0, 2, 3]].sum())


def test_top_k_of_a_relativistic_loss_is_relativistic():
    assert TopK(Relativistic(), Linear()).relativistic
    assert not TopK(NonSaturating(), Linear()).relativistic


def test_the_dual_contrastive_loss_is_zero_sum_and_counts_all_samples():
    loss, real, fake = DualContrastive(), tensor(REAL), tensor(FAKE)
    torch.testing.assert_close(loss.generator(real, fake), -loss.discriminator(real, fake))
    assert not torch.allclose(loss.discriminator(real, fake)[:2], loss.discriminator(real[:2], fake[:2]))


def test_smoothing_by_hand():
    found = NonSaturating(smoothing=0.1).discriminator(tensor(REAL), tensor(FAKE))
    # 0.9 · softplus(−real) + 0.1 · softplus(real) + softplus(fake)
    torch.testing.assert_close(found, tensor([2.006409, 0.801005, 1.906409]), rtol=0, atol=1e-5)


def test_smoothing_moves_the_target_of_real_samples_only():
    """With a tenth D wants real samples at a probability of 0.9: a logit of log 9."""
    real, fake = logits([2.197225]), logits([0.3])
    of_real, of_fake = slopes(NonSaturating(smoothing=0.1).discriminator(real, fake), real, fake)
    torch.testing.assert_close(of_real, tensor([0.0]), rtol=0, atol=1e-6)
    torch.testing.assert_close(of_fake, torch.sigmoid(fake))
    assert torch.equal(NonSaturating(smoothing=0.1).generator(None, fake), NonSaturating().generator(None, fake))
