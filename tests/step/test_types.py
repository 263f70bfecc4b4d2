"""The words of the game: batches in parts, and the gradients of what D said."""

import pytest
import torch
from torch import nn

from gan_lightning.step.types import Batch, Output, StepContext, per_sample


def judge(x, labels=None):
    """D(x) = |x|³ / 3: its slope is |x| x."""
    return Output(x.flatten(1).norm(dim=1) ** 3 / 3)


def slope(x):
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1)) * x


def turn(real, fake, said_of_real=True):
    on_real = judge(real) if said_of_real else None
    return StepContext(nn.Identity(), judge, torch.zeros(len(fake), 1), None, real, fake, on_real, judge(fake))


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_a_batch_comes_apart_in_order(parts):
    batch = Batch(torch.randn(6, 1, 2, 2), torch.arange(6))
    found = batch.chunk(parts)
    assert [len(part.real) for part in found] == [6 // parts] * parts
    assert torch.equal(torch.cat([part.real for part in found]), batch.real)
    assert torch.equal(torch.cat([part.condition for part in found]), batch.condition)


def test_an_unlabelled_batch_comes_apart_without_labels():
    batch = Batch(torch.randn(6, 2), None)
    found = batch.chunk(3)
    assert [part.condition for part in found] == [None] * 3
    assert torch.equal(torch.cat([part.real for part in found]), batch.real)


@pytest.mark.parametrize("shape", [(2,), (1, 5), (3, 2, 2)])
def test_gradients_of_both_sides(shape):
    real, fake = (torch.randn(4, *shape).requires_grad_() for _ in range(2))
    found = turn(real, fake).input_gradients
    assert found.keys() == {"real", "fake"}
    torch.testing.assert_close(found["real"], slope(real))
    torch.testing.assert_close(found["fake"], slope(fake))


@pytest.mark.parametrize("side", ["real", "fake"])
def test_only_the_side_that_asks_is_differentiated(side):
    held = {name: torch.randn(4, 2).requires_grad_(name == side) for name in ("real", "fake")}
    found = turn(**held).input_gradients
    assert found.keys() == {side}
    torch.testing.assert_close(found[side], slope(held[side]))


def test_gradients_where_nothing_was_said_of_real_samples():
    real, fake = torch.randn(4, 2), torch.randn(4, 2).requires_grad_()
    found = turn(real, fake, said_of_real=False).input_gradients
    assert found.keys() == {"fake"}
    torch.testing.assert_close(found["fake"], slope(fake))


def test_gradients_can_be_differentiated_again():
    """|∇D|² = |x|⁴, whose gradient is 4 |x|² x."""
    real, fake = torch.randn(4, 2).requires_grad_(), torch.randn(4, 2)
    (again,) = torch.autograd.grad(turn(real, fake).input_gradients["real"].square().sum(), real)
    torch.testing.assert_close(again, 4 * real.square().sum(1, keepdim=True) * real, rtol=1e-4, atol=1e-5)


def test_gradients_are_computed_once(monkeypatch):
    calls, original = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **kwargs: calls.append(args) or original(*args, **kwargs))
    held = turn(torch.randn(4, 2).requires_grad_(), torch.randn(4, 2).requires_grad_())
    assert held.input_gradients is held.input_gradients
    assert len(calls) == 1


def test_one_number_per_sample():
    assert per_sample(torch.tensor([1.0, 2.0])).tolist() == [1, 2]
    assert per_sample(torch.tensor([[1.0, 3.0], [5.0, 6.0]])).tolist() == [2, 5.5]
    assert per_sample(torch.ones(2, 3, 4)).tolist() == [1, 1]
    assert per_sample(torch.tensor(7.0)).tolist() == [7]


def test_an_output_in_fp32_keeps_all_of_it():
    half = torch.ones(2, 3, dtype=torch.bfloat16)
    output = Output(half, half, (half, half)).float()
    assert [x.dtype for x in (output.logits, output.features, *output.maps)] == [torch.float32] * 4
    assert output.mean_logits.tolist() == [1, 1]
    assert Output(half[:, 0]).float().features is None


def test_gradients_of_several_logits_are_those_of_their_mean():
    """Logits x₁ and 3 x₂ of each sample: their mean has the gradient (1/2, 3/2)."""
    real, fake = torch.randn(4, 2).requires_grad_(), torch.randn(4, 2)
    weight = torch.tensor([1.0, 3.0])
    context = StepContext(
        nn.Identity(), judge, torch.zeros(4, 1), None, real, fake, Output(real * weight), Output(fake * weight)
    )
    assert torch.equal(context.input_gradients["real"], torch.tensor([0.5, 1.5]).expand(4, 2))
    assert context.flat_input_gradients["real"].shape == (4, 2)
