"""MuseGAN's sizes and streams, and binary neurons by hand."""

import math

import pytest
import torch
from torch import tensor

from gan_lightning.model import musegan
from gan_lightning.model.layer.binary_neurons import BinaryNeurons
from gan_lightning.model.layer.monophonic_neurons import MonophonicNeurons
from gan_lightning.model.musegan import roll_size
from gan_lightning.step.progress import Progress


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 32, 48), (4, 4, 4, 3)),
        ((4, 16, 48), (4, 4, 4, 2)),
        ((5, 96, 84), (5, 7, 6, 4)),
        ((1, 24, 12), (1, 1, 6, 2)),
        ((1, 12, 12), (1, 1, 6, 1)),
        ((2, 2, 24), (2, 2, 1, 1)),
    ],
)
def test_sizes_by_hand(shape, expected):
    assert roll_size(shape) == expected
    generator, discriminator = musegan.Generator(8, shape, width=4), musegan.Discriminator(shape, width=4)
    fake = generator(torch.randn(3, 8))
    assert fake.shape == (3, *shape)
    assert discriminator(fake).logits.shape == (3,)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 32, 50), "50 pitches are no whole octaves; they must be a multiple of 12"),
        ((4, 33, 48), "33 steps are not reached by doubling: they must be even"),
        ((4, 64), r"\[4, 64\] is no piano roll; MuseGAN needs \(voices, steps, pitches\)"),
    ],
)
def test_a_shape_that_is_not_reached_is_refused_in_one_line(shape, said):
    for build in (lambda: musegan.Generator(8, shape), lambda: musegan.Discriminator(shape)):
        with pytest.raises(ValueError, match=f"^{said}$"):
            build()


def test_a_new_generator_draws_about_as_many_cells_as_sound_in_real_rolls():
    torch.manual_seed(0)
    fake = musegan.Generator(32, (4, 32, 48), width=16)(torch.randn(64, 32))
    assert set(fake.unique().tolist()) == {-1, 1}
    assert 0.005 < (fake > 0).float().mean() < 0.06


@pytest.mark.parametrize("stream", ["pitch_first", "time_first", "onset", "chroma"])
def test_each_stream_of_d_counts(stream):
    torch.manual_seed(0)
    discriminator = musegan.Discriminator((2, 16, 24), width=4)
    x = musegan.Generator(8, (2, 16, 24), width=4)(torch.randn(3, 8))
    before = discriminator(x).logits
    with torch.no_grad():
        for parameter in getattr(discriminator, stream).parameters():
            parameter.zero_()
    assert (discriminator(x).logits != before).all()


def test_the_chroma_stream_sees_pitch_classes_and_the_onset_stream_time():
    discriminator = musegan.Discriminator((1, 16, 24), width=4)
    low, high = (-torch.ones(1, 1, 16, 24) for _ in range(2))
    low[..., 3] = high[..., 15] = 1  # the same pitch class in two octaves
    inputs = {}
    for name in ("onset", "chroma"):
        getattr(discriminator, name).register_forward_pre_hook(lambda m, x, name=name: inputs.setdefault(name, []).append(x[0]))
    for x in (low, high):
        discriminator(x)
    assert torch.equal(*inputs["chroma"])
    assert inputs["chroma"][0].shape == (1, 1, 16, 12)
    assert not any(x.any() for x in inputs["onset"])  # nothing begins or ends within the roll
    low[:, :, 8:, 3] = -1
    discriminator(low)
    assert inputs["onset"][2].nonzero().tolist() == [[0, 0, 8, 0]]


def test_neurons_by_hand():
    neurons, logits = BinaryNeurons(), tensor([-2.0, -0.1, 0.0, 0.1, 3.0], requires_grad=True)
    output = neurons(logits)
    assert output.tolist() == [-1, -1, -1, 1, 1]
    output.sum().backward()
    p = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, 2 * p * (1 - p))


@pytest.mark.parametrize("neurons", [BinaryNeurons(final_slope=4.0), MonophonicNeurons(final_slope=4.0)])
def test_the_slope_is_a_buffer_that_no_checkpoint_holds(neurons):
    neurons.advance(Progress(50, 100))
    assert {name: float(x) for name, x in neurons.named_buffers()} == {"slope": 2.0}
    assert not neurons.state_dict()


def test_the_slope_follows_the_progress():
    neurons = BinaryNeurons(final_slope=4.0)
    for step, slope in ((0, 1.0), (50, 2.0), (100, 4.0)):
        neurons.advance(Progress(step, 100))
        logits = tensor([0.5], requires_grad=True)
        neurons(logits).sum().backward()
        p = 1 / (1 + math.exp(-slope * 0.5))
        assert logits.grad.item() == pytest.approx(2 * slope * p * (1 - p))


def test_stochastic_neurons_draw_in_training_only():
    neurons, logits = BinaryNeurons(stochastic=True), torch.full((10_000,), math.log(0.3 / 0.7))
    torch.manual_seed(0)
    drawn = neurons(logits)
    assert (drawn > 0).float().mean() == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(drawn, neurons(logits))
    assert (neurons.eval()(logits) == -1).all()


def test_monophonic_neurons_by_hand():
    """Three pitches and the rest in two steps: the second pitch wins, then the rest."""
    logits = tensor([[[[0.0, 2.0, 1.0], [0.0, -1.0, 0.5]]]], requires_grad=True)
    rest = tensor([[[[0.5], [1.0]]]])
    output = MonophonicNeurons()(logits, rest)
    assert output.tolist() == [[[[-1, 1, -1], [-1, -1, -1]]]]
    output[0, 0, 0, 1].backward()
    p = torch.softmax(tensor([0.0, 2.0, 1.0, 0.5]), 0)
    expected = 2 * p[1] * (tensor([0.0, 1.0, 0.0]) - p[:3])
    torch.testing.assert_close(logits.grad[0, 0, 0], expected)
    assert not logits.grad[0, 0, 1].any()


def test_the_slope_of_monophonic_neurons_follows_the_progress():
    neurons = MonophonicNeurons(final_slope=9.0)
    neurons.advance(Progress(50, 100))
    logits = tensor([[[[0.0, 1.0]]]], requires_grad=True)
    neurons(logits, torch.zeros(1, 1, 1, 1))[0, 0, 0, 1].backward()
    p = torch.softmax(tensor([0.0, 3.0, 0.0]), 0)[1].item()
    assert logits.grad[0, 0, 0, 1].item() == pytest.approx(2 * 3 * p * (1 - p))


def test_stochastic_monophonic_neurons_draw_with_the_probabilities_of_a_softmax():
    neurons = MonophonicNeurons(stochastic=True)
    shares = tensor([0.5, 0.2, 0.1])
    logits, rest = shares.log().expand(1, 1, 20_000, 3), torch.full((1, 1, 20_000, 1), math.log(0.2))
    torch.manual_seed(0)
    drawn = neurons(logits, rest)
    torch.testing.assert_close((drawn > 0).float().mean((0, 1, 2)), shares, rtol=0, atol=0.015)
    assert ((drawn > 0).sum(3) <= 1).all()
    first = neurons.eval()(logits, rest)
    assert (first.argmax(3) == 0).all()


@pytest.mark.parametrize("monophonic", [False, True])
def test_a_generator_of_monophonic_voices_has_one_pitch_at_a_time(monophonic):
    torch.manual_seed(0)
    generator = musegan.Generator(16, (4, 32, 48), width=8, monophonic=monophonic)
    fake = generator(torch.randn(16, 16))
    assert set(fake.unique().tolist()) == {-1, 1}
    assert ((fake > 0).sum(3) <= 1).all() == monophonic
    fake.sum().backward()
    assert all(p.grad.any() for p in generator.parameters())
