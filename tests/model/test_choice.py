"""The Gumbel-softmax choice: its shares, its gradient, its schedule, and that nothing is random in eval mode."""

import pytest
import torch
from torch import nn, tensor

from gan_lightning.model import table, text
from gan_lightning.model.layer.choice import Choice, one_hot_of_largest
from gan_lightning.step.progress import Progress


def test_with_full_noise_the_shares_are_those_of_the_softmax():
    torch.manual_seed(0)
    logits = tensor([0.0, 1.0, 2.0]).expand(40_000, 3)
    shares = Choice(1.0, 1.0, 1.0)(logits).mean(0)
    assert shares.tolist() == pytest.approx(logits[0].softmax(0).tolist(), abs=0.01)
    assert Choice(1.0, 1.0, 0.0)(logits).mean(0).tolist() == [0, 0, 1]


def test_the_values_are_one_hot_and_the_gradient_is_that_of_the_soft_choice():
    logits = tensor([[0.3, 0.1, -0.2]], requires_grad=True)
    choice = Choice(0.5, 0.5, 0.0)
    x = choice(logits)
    assert x.tolist() == [[1, 0, 0]]
    weights = tensor([1.0, 2.0, 4.0])
    (x * weights).sum().backward()
    soft = tensor([[0.3, 0.1, -0.2]], requires_grad=True)
    ((soft / 0.5).softmax(1) * weights).sum().backward()
    assert torch.allclose(logits.grad, soft.grad)
    assert logits.grad.abs().min() > 0.01


def test_temperature_falls_by_equal_ratios_and_noise_along_a_line():
    choice = Choice(2.0, 0.5, 0.8)
    seen = []
    for step in (0, 50, 100, 120):
        choice.advance(Progress(step, 100))
        seen.append((float(choice.tau), float(choice.amplitude)))
    assert seen == [pytest.approx(x) for x in [(2.0, 0.8), (1.0, 0.4), (0.5, 0.0), (0.5, 0.0)]]
    assert not choice.state_dict()  # a function of the step: nothing is saved


def test_in_eval_mode_the_most_likely_value_is_chosen():
    logits = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0))
    choice = Choice(1.0, 0.5, 1.0).eval()
    assert torch.equal(choice(logits), one_hot_of_largest(logits))
    assert (choice(logits).sum(1) == 1).all()
    assert not torch.equal(choice.train()(logits), one_hot_of_largest(logits))


def test_equal_values_give_the_first():
    assert one_hot_of_largest(torch.zeros(2, 3)).tolist() == [[1, 0, 0]] * 2


@pytest.mark.parametrize(("module", "shape"), [(text, (9, 11)), (table, (5, 4))])
def test_samples_are_choices_and_all_weights_learn(module, shape):
    torch.manual_seed(0)
    generator, discriminator = module.Generator(8, shape, width=16), module.Discriminator(shape, width=16)
    z = torch.randn(6, 8)
    x = generator(z)
    assert x.shape == (6, *shape)
    chosen = x if module is text else x[:, :, 1:].transpose(1, 2)
    assert set(chosen.unique().tolist()) <= {0, 1}
    assert (chosen.sum(1) == 1).all()
    assert x.abs().max() <= 1
    output = discriminator(x)
    assert output.logits.shape == (6,)
    assert output.features.shape == (6, discriminator.num_features)
    output.logits.square().sum().backward()
    for network in (generator, discriminator):
        assert all(p.grad is not None and p.grad.any() for p in network.parameters() if p.requires_grad)


def test_a_second_derivative_exists():
    """R1 and R2 need it."""
    discriminator = text.Discriminator((3, 2), width=8)
    x = torch.rand(4, 3, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(x).logits.sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in nn.ModuleList([discriminator]).parameters())


@pytest.mark.parametrize(("module", "shape"), [(text, (1, 28, 28)), (text, (1, 5)), (table, (2,)), (table, (3, 1))])
def test_other_shapes_are_refused(module, shape):
    for network in (lambda: module.Generator(8, shape), lambda: module.Discriminator(shape)):
        with pytest.raises(ValueError, match="is no shape of"):
            network()
