"""WaveGAN's lengths and layers, and phase shuffle by hand."""

import pytest
import torch
from torch import nn

from gan_lightning.model import wavegan
from gan_lightning.model.wavegan import PhaseShuffle, quadrupling


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (16384, (1, 16, 5)),
        (65536, (1, 16, 6)),
        (32768, (1, 32, 5)),
        (16000, (1, 250, 3)),
        (64, (1, 16, 1)),
        (8, (1, 2, 1)),
        (4, (1, 1, 1)),
    ],
)
def test_quadruplings_by_hand(length, expected):
    assert quadrupling((1, length)) == expected


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 16383), "length 16383 is not reached by quadrupling: it must be a multiple of 4; near it: 16384"),
        ((1, 1), "length 1 is not reached by quadrupling: it must be a multiple of 4; near it: 4"),
        ((1, 8, 8), r"\[1, 8, 8\] is no signal; WaveGAN needs \(channels, length\)"),
        ((2,), r"\[2\] is no signal; WaveGAN needs \(channels, length\)"),
    ],
)
def test_a_shape_that_is_not_reached_is_refused_in_one_line(shape, said):
    for build in (lambda: wavegan.Generator(8, shape, width=1), lambda: wavegan.Discriminator(shape, width=1)):
        with pytest.raises(ValueError, match=f"^{said}$"):
            build()


def test_layers_as_published():
    with torch.device("meta"):
        generator, discriminator = wavegan.Generator(100, (1, 16384)), wavegan.Discriminator((1, 16384))
    up = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose1d)]
    down = [m for m in discriminator.modules() if isinstance(m, nn.Conv1d)]
    assert [(m.in_channels, m.out_channels) for m in up] == [(1024, 512), (512, 256), (256, 128), (128, 64), (64, 1)]
    assert [(m.in_channels, m.out_channels) for m in down] == [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    assert all(m.kernel_size == (25,) and m.stride == (4,) for m in (*up, *down))
    shuffles = [m.most for m in discriminator.modules() if isinstance(m, PhaseShuffle)]
    assert shuffles == [2, 2, 2, 2]  # not after the last of the five layers


def test_phase_shuffle_by_hand():
    """A shift by s moves value t + s to t; beyond an end the signal is reflected: -1 is 1 and T is T − 2."""
    x = torch.arange(5.0).expand(3, 2, 5)
    expected = {
        (2.0, 1.0, 0.0, 1.0, 2.0),
        (1.0, 0.0, 1.0, 2.0, 3.0),
        (0.0, 1.0, 2.0, 3.0, 4.0),
        (1.0, 2.0, 3.0, 4.0, 3.0),
        (2.0, 3.0, 4.0, 3.0, 2.0),
    }
    torch.manual_seed(0)
    shuffle = PhaseShuffle(2)
    outs = [shuffle(x) for _ in range(60)]
    assert {tuple(out[0, 0].tolist()) for out in outs} == expected
    assert all((out == out[:1, :1]).all() for out in outs)  # one shift for the whole batch and all maps
    assert torch.equal(shuffle.eval()(x), x)
    assert torch.equal(PhaseShuffle(0)(x), x)


def test_phase_shuffle_is_a_function_of_the_seed():
    discriminator = wavegan.Discriminator((1, 256), width=2)
    x = torch.randn(4, 1, 256)

    def logits(seed):
        torch.manual_seed(seed)
        return discriminator(x).logits

    assert torch.equal(logits(1), logits(1))
    assert len({tuple(logits(seed).tolist()) for seed in range(12)}) > 3
    discriminator.eval()
    assert torch.equal(logits(1), logits(2))
    plain = wavegan.Discriminator((1, 256), width=2, phase_shuffle=0)
    plain.load_state_dict(discriminator.state_dict())
    assert torch.equal(plain(x).logits, logits(0))


def test_a_waveform_is_in_range():
    generator = wavegan.Generator(8, (2, 64), width=2)
    with torch.no_grad():
        for p in generator.parameters():
            p.mul_(100)
    assert 0.9 < generator(torch.randn(4, 8)).abs().max() <= 1


def test_at_the_start_a_sample_depends_on_z_and_on_the_class():
    """Of the first samples' variance, z and the class each give a good part, and the last layer is quiet."""
    torch.manual_seed(0)
    generator = wavegan.Generator(16, (1, 1024), num_classes=4, width=8)
    z, classes = torch.randn(16, 1, 16).expand(16, 4, 16).flatten(0, 1), torch.arange(4).repeat(16)
    x = generator(z, classes).view(16, 4, 1024)
    total = x.var()
    assert 0.01 < x.square().mean().sqrt() < 0.5
    assert x.mean(1).var(0).mean() > 0.1 * total  # of the samples of a z
    assert x.mean(0).var(0).mean() > 0.1 * total  # of those of a class
    assert all((layer.bias == 0).all() for layer in generator.layers if hasattr(layer, "bias"))


def test_the_class_is_projected_onto_the_features():
    torch.manual_seed(0)
    discriminator = wavegan.Discriminator((1, 256), num_classes=3, width=4).eval()
    x = torch.randn(2, 1, 256)
    one, other = (discriminator(x, torch.tensor(label)) for label in ([0, 0], [2, 0]))
    difference = ((discriminator.head.embedding.weight[2] - discriminator.head.embedding.weight[0]) * one.features[0]).sum()
    torch.testing.assert_close(other.logits - one.logits, torch.stack([difference, difference * 0]), rtol=1e-4, atol=1e-5)
