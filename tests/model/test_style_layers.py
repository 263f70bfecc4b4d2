"""The layers of the style-based and modern models: numbers by hand, and double backward through each."""

import math

import pytest
import torch
from torch import nn, tensor
from torch.nn.functional import conv2d, interpolate

from gan_lightning.model.layer.doubling import doubled_widths
from gan_lightning.model.layer.equalized import EqualizedConv2d, EqualizedLinear
from gan_lightning.model.layer.image_range import ClipInEval
from gan_lightning.model.layer.mapping import Mapping, normalize_second_moment
from gan_lightning.model.layer.minibatch_stddev import MinibatchStandardDeviation
from gan_lightning.model.layer.modulated_convolution import ModulatedConvolution
from gan_lightning.model.layer.packed_condition import embed_classes
from gan_lightning.model.layer.resample import Blur, Downsample, Upsample
from gan_lightning.model.layer.residual_bottleneck import BiasedLeakyReLU, ResidualBottleneck
from gan_lightning.model.layer.scaled_leaky_relu import ScaledLeakyReLU

CORNERS = (1, 2, 1)


def randn(*shape, **given):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), **given)


def test_widths_double_up_to_the_largest():
    assert doubled_widths(64, 6, 512) == [64, 128, 256, 512, 512, 512, 512]  # StyleGAN2 at 256×256
    assert doubled_widths(96, 6, 768) == [96, 192, 384, 768, 768, 768, 768]  # R3GAN


# ── resampling ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_four_taps_interpolate_bilinearly_between_centres():
    x = randn(2, 3, 5, 6)
    expected = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(Upsample()(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])  # the border takes zeros from outside


def test_three_taps_interpolate_between_corners():
    x = tensor([[[[2.0, 4.0], [6.0, 12.0]]]])
    rows = [[2, 3, 4, 2], [4, 6, 8, 4], [6, 9, 12, 6], [3, 4.5, 6, 3]]
    assert Upsample(CORNERS)(x).tolist() == [[rows]]


def test_downsampling_by_hand():
    x = tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 1, 4, 4)
    inner = Downsample(CORNERS)(x)[0, 0]
    assert inner[1].tolist() == [1.0, 3.0]  # (2·1 + 2) / 4 with a zero outside, (2 + 2·3 + 4) / 4
    four = Downsample()(x)[0, 0]
    assert four.tolist() == [[(3 + 6 + 3) / 8 * 7 / 8, (2 + 9 + 12) / 8 * 7 / 8]] * 2


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), CORNERS])
@pytest.mark.parametrize("layer", [Upsample, Downsample])
def test_resampling_keeps_a_constant(taps, layer):
    inside = layer(taps)(torch.full((1, 2, 8, 8), 3.0))[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.full_like(inside, 3.0))


def test_a_blur_has_the_given_gain_and_padding():
    x = randn(1, 2, 6, 6)
    assert Blur(padding=2)(x).shape == (1, 2, 7, 7)
    torch.testing.assert_close(Blur(padding=1, gain=4)(x), 4 * Blur(padding=1)(x))


# ── equalized learning rates ─────────────────────────────────────────────────────────────────────────────────────────────
def test_equalized_linear_by_hand():
    layer = EqualizedLinear(4, 1, bias_start=1.0, lr_multiplier=0.01)
    assert layer.bias.tolist() == [100.0]
    layer.weight.data.fill_(100.0)
    assert layer(tensor([[1.0, 2.0, 3.0, 4.0]])).item() == pytest.approx(10 / math.sqrt(4) + 1)
    assert EqualizedLinear(4, 1, bias_start=None).bias is None


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (EqualizedLinear(400, 400), randn(400, 400)),
        (EqualizedLinear(400, 400, lr_multiplier=0.01), randn(400, 400)),
        (EqualizedConv2d(32, 64, 3), randn(4, 32, 16, 16)),
    ],
)
def test_equalized_layers_keep_the_variance(layer, x):
    inside = layer(x)[..., 1:-1, 1:-1] if x.dim() == 4 else layer(x)
    assert inside.detach().std() == pytest.approx(1, abs=0.05)
    assert layer.weight.detach().std() == pytest.approx(1 / getattr(layer, "lr_multiplier", 1), rel=0.05)


def test_a_scaled_leaky_relu_by_hand():
    torch.testing.assert_close(ScaledLeakyReLU()(tensor([1.0, -5.0])), tensor([math.sqrt(2), -math.sqrt(2)]))


# ── modulated convolution ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("demodulate", [True, False])
def test_a_modulated_convolution_is_that_of_the_paper(demodulate):
    """Eq. 1 and 3, with weights of its own for each sample."""
    layer = ModulatedConvolution(3, 4, 3, 5, demodulate=demodulate)
    x, style = randn(2, 3, 6, 6), randn(2, 5)
    for i, scales in enumerate(layer.affine(style)):
        weight = layer.weight / math.sqrt(27) * scales[:, None, None]
        if demodulate:
            weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        torch.testing.assert_close(layer(x, style)[i], conv2d(x[i], weight, padding=1))


def test_demodulated_maps_have_variance_one_whatever_the_style():
    layer = ModulatedConvolution(16, 32, 3, 4)
    inside = layer(randn(4, 16, 32, 32), 20 * randn(4, 4))[..., 1:-1, 1:-1]
    assert inside.detach().std() == pytest.approx(1, abs=0.05)


def test_an_upsampling_convolution_keeps_the_level_of_constant_maps():
    layer = ModulatedConvolution(1, 1, 3, 2, demodulate=False, upsample=True)
    layer.weight.data.fill_(1.0)
    out = layer(torch.full((1, 1, 6, 6), 2.0), torch.zeros(1, 2))
    assert out.shape == (1, 1, 12, 12)
    torch.testing.assert_close(out[..., 4:-4, 4:-4], torch.full((1, 1, 4, 4), 2.0 * 9 / 3))  # 9 weights of 1 / √9, at stride 2


# ── the minibatch standard deviation ─────────────────────────────────────────────────────────────────────────────────────
def test_minibatch_standard_deviation_by_hand():
    """Groups (0, 2) and (1, 3): deviations of the two channels are 1 and 3, and 0 and 2."""
    x = tensor([[0.0, 0.0], [5.0, 0.0], [2.0, 6.0], [5.0, 4.0]])[..., None, None].expand(-1, -1, 2, 3)
    out = MinibatchStandardDeviation(2)(x)
    assert torch.equal(out[:, :2], x)
    torch.testing.assert_close(out[:, 2], tensor([2.0, 1.0, 2.0, 1.0])[:, None, None].expand(-1, 2, 3), rtol=0, atol=1e-4)


def test_equal_samples_have_no_deviation():
    assert MinibatchStandardDeviation(4)(torch.ones(8, 2, 3, 3))[:, 2].max() <= 1e-4


def test_the_group_divides_a_training_batch():
    layer = MinibatchStandardDeviation(4)
    assert layer(torch.ones(3, 1, 2, 2)).shape == (3, 2, 2, 2)  # one group of all
    with pytest.raises(ValueError, match=r"^the minibatch standard deviation has groups of 4 samples, which do not divide 6$"):
        layer(torch.ones(6, 1, 2, 2))
    x = randn(6, 1, 2, 2)
    assert torch.equal(layer.eval()(x), MinibatchStandardDeviation(3)(x))


# ── mapping, range, residual blocks ──────────────────────────────────────────────────────────────────────────────────────
def test_the_mapping_does_not_depend_on_the_length_of_z():
    z, layer = randn(3, 8), Mapping(8, 0, 6, 2)
    torch.testing.assert_close(normalize_second_moment(z).square().mean(1), torch.ones(3))
    torch.testing.assert_close(layer(z), layer(7 * z))
    assert layer(z).shape == (3, 6)
    wide = Mapping(64, 0, 64, 8)
    assert wide.layers[0].weight.detach().std() == pytest.approx(100, rel=0.1)  # a learning rate of 1 / 100
    assert wide(randn(50, 64)).square().mean().sqrt().item() == pytest.approx(1, abs=0.3)
    assert sum(isinstance(m, EqualizedLinear) for m in wide.modules()) == 8


def test_images_are_clipped_in_eval_mode_only():
    x, layer = tensor([-3.0, 0.5, 1.5]), ClipInEval()
    assert layer(x) is x
    assert layer.eval()(x).tolist() == [-1.0, 0.5, 1.0]


def test_a_residual_block_starts_as_the_identity():
    """Its last convolution is 0; the others have the variance of He et al. 2015, times 1 / √blocks."""
    block, x = ResidualBottleneck(64, 128, 8, blocks=16), randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)
    first, _, second, _, _ = block.branch
    gain = math.sqrt(2 / 1.04) / 2
    assert first.weight.detach().std() == pytest.approx(gain / math.sqrt(64), rel=0.05)
    assert second.weight.detach().std() == pytest.approx(gain / math.sqrt(9 * 16), rel=0.05)
    activation = BiasedLeakyReLU(1)
    activation.bias.data.fill_(1.0)
    assert activation(tensor([[[[1.0, -6.0]]]])).tolist() == [[[[2.0, -1.0]]]]


def test_packed_classes_are_added():
    table = tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert embed_classes(table.__getitem__, tensor([2, 0]), 3).tolist() == [[100.0, 200.0], [1.0, 2.0]]
    assert embed_classes(table.__getitem__, tensor([[2, 0], [1, 1]]), 3).tolist() == [[101.0, 202.0], [20.0, 40.0]]
    with pytest.raises(ValueError, match=r"^a network of 3 classes was given no labels$"):
        embed_classes(table.__getitem__, None, 3)


# ── double backward ──────────────────────────────────────────────────────────────────────────────────────────────────────
class Styled(nn.Module):
    """A modulated convolution as a function of maps that end with the style."""

    def __init__(self, **given):
        super().__init__()
        self.layer = ModulatedConvolution(2, 2, 3, 4, **given)

    def forward(self, x):
        return self.layer(x, x[:, 0].flatten(1))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Upsample(), (1, 2, 2, 2)),
        (Downsample(CORNERS), (1, 2, 2, 2)),
        (Blur(1), (1, 2, 3, 2)),
        (EqualizedLinear(3, 2), (2, 3)),
        (EqualizedConv2d(2, 2, 3), (1, 2, 2, 2)),
        (Styled(), (2, 2, 2, 2)),
        (Styled(upsample=True), (1, 2, 2, 2)),
        (MinibatchStandardDeviation(2), (4, 1, 2, 1)),
        (Mapping(3, 0, 3, 2), (2, 3)),
        (ResidualBottleneck(2, 4, 2, blocks=4), (1, 2, 2, 2)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_double_backward(layer, shape):
    """R1, R2 and path length differentiate a gradient."""
    layer = layer.double()
    for p in layer.parameters():
        p.data += 0.1 * randn(*p.shape, dtype=torch.double)
    x = randn(*shape, dtype=torch.double).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)
