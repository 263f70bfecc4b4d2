"""Parameters, sizes and layers of the networks as their papers have them, counted on the meta device."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gan_lightning.model import biggan, biggan_deep, sagan, sngan, sngan_32, wavegan
from gan_lightning.model.layer.attention import SelfAttention, attention_level
from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm
from gan_lightning.model.layer.residual import widths
from gan_lightning.model.layer.spectral_norm import WEIGHTED

RESIDUAL = [sngan, sngan_32, sagan, biggan, biggan_deep]


def name_of(value):
    """The architecture's name in a test's id; the other values are shown as they are."""
    return value.__name__.rpartition(".")[2] if hasattr(value, "__name__") else None


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def on_meta(module, latent_dim, shape, *classes, **given):
    with torch.device("meta"):
        return module.Generator(latent_dim, shape, *classes, **given), module.Discriminator(shape, *classes, **given)


def outputs(network, kinds, *inputs):
    """Maps and size of the outputs of the layers of these kinds, in the order of the forward pass."""
    sizes = []
    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda module, given, out: sizes.append((out.shape[1], out.shape[-1])))
    with torch.device("meta"):
        network(*inputs)
    return sizes


@pytest.mark.parametrize(
    ("module", "latent_dim", "shape", "classes", "expected"),
    [
        # asserted by compare_gan's tests; they include the shared embedding, 128 values for each of 1000 classes
        (biggan, 120, (3, 128, 128), (1000,), (70_433_988, 87_982_370)),
        (biggan_deep, 128, (3, 128, 128), (1000,), (50_244_484, 34_590_210)),
        # the papers of the others state none: counts of the layers of mimicry's and the authors' code
        (sngan_32, 128, (3, 32, 32), (), (4_276_739, 1_053_825)),
        (sngan, 128, (3, 128, 128), (), (32_150_787, 29_017_857)),
        (wavegan, 100, (1, 16384), (), (19_065_345, 17_427_969)),
    ],
    ids=name_of,
)
def test_parameters_as_published(module, latent_dim, shape, classes, expected):
    assert tuple(map(parameters, on_meta(module, latent_dim, shape, *classes))) == expected


def test_sagan_is_sngan_with_attention():
    """Queries and keys of C / 8, values of C / 2 maps, without biases, and the gate: at 32×32, G has 256 maps and D 128."""
    plain, attentive = (on_meta(module, 128, (3, 128, 128), 1000) for module in (sngan, sagan))
    added = [parameters(b) - parameters(a) for a, b in zip(plain, attentive, strict=True)]
    assert added == [2 * c * c // 8 + 2 * c * c // 2 + 1 for c in (256, 128)]


@pytest.mark.parametrize("module", [sngan, sagan, biggan], ids=name_of)
def test_blocks_for_128(module):
    with torch.device("meta"):
        generator, discriminator = on_meta(module, 120, (3, 128, 128), width=1)
        z, x = torch.empty(2, 120), torch.empty(2, 3, 128, 128)
    blocks = {"generator": sngan.UpBlock, "discriminator": sngan.DownBlock}
    assert outputs(generator, blocks["generator"], z) == [(16, 8), (8, 16), (4, 32), (2, 64), (1, 128)]
    halved = [(1, 64), (2, 32), (4, 16), (8, 8), (16, 4), (16, 4)]
    assert outputs(discriminator, blocks["discriminator"], x) == halved


def test_blocks_for_48():
    with torch.device("meta"):
        generator, discriminator = on_meta(sngan, 128, (3, 48, 48), width=1)
        z, x = torch.empty(2, 128), torch.empty(2, 3, 48, 48)
    assert outputs(generator, sngan.UpBlock, z) == [(4, 12), (2, 24), (1, 48)]
    assert outputs(discriminator, sngan.DownBlock, x) == [(1, 24), (2, 12), (4, 6), (8, 3), (16, 3)]


def test_blocks_for_32():
    with torch.device("meta"):
        generator, discriminator = on_meta(sngan_32, 128, (3, 32, 32), width=2)
        z, x = torch.empty(2, 128), torch.empty(2, 3, 32, 32)
    assert outputs(generator, sngan.UpBlock, z) == [(4, 8), (4, 16), (4, 32)]
    assert outputs(discriminator, sngan.DownBlock, x) == [(2, 16), (2, 8), (2, 8), (2, 8)]


def test_blocks_of_biggan_deep_for_128():
    with torch.device("meta"):
        generator, discriminator = on_meta(biggan_deep, 128, (3, 128, 128), width=4)
        z, x = torch.empty(2, 128), torch.empty(2, 3, 128, 128)
    up = [(64, 4), (64, 8), (64, 8), (32, 16), (32, 16), (16, 32), (16, 32), (8, 64), (8, 64), (4, 128)]
    down = [(8, 64), (8, 64), (16, 32), (16, 32), (32, 16), (32, 16), (64, 8), (64, 8), (64, 4), (64, 4)]
    assert outputs(generator, biggan_deep.UpBottleneck, z) == up
    assert outputs(discriminator, biggan_deep.DownBottleneck, x) == down


def test_numbers_of_maps():
    """Miyato et al. 2018, tables 5 and 6; Brock et al. 2019, appendix B: 128, 256 and 512 pixels."""
    assert widths(64, 3) == ([64, 128, 256], 512)
    assert widths(64, 5) == ([64, 128, 256, 512, 1024], 1024)
    assert biggan.widths(1, 5) == ([1, 2, 4, 8, 16], 16)
    assert biggan.widths(1, 6) == ([1, 2, 4, 8, 8, 16], 16)
    assert biggan.widths(1, 7) == ([1, 1, 2, 4, 8, 8, 16], 16)
    assert biggan.widths(1, 7).outwards == [16, 16, 8, 8, 4, 2, 1, 1]
    assert biggan.widths(3, 2) == widths(3, 2) == ([3, 6], 12)


@pytest.mark.parametrize(
    ("module", "size", "given", "expected"),
    [
        (sagan, 128, {}, [(4, 32), (2, 32)]),
        (sagan, 28, {}, [(2, 14), (1, 14)]),
        (biggan, 128, {}, [(2, 64), (1, 64)]),
        (biggan_deep, 128, {}, [(2, 64), (2, 64)]),
        (biggan, 512, {}, [(4, 64), (2, 64)]),
        (biggan, 8, {}, [(2, 4), (1, 4)]),
        (biggan, 128, {"attention_size": 8}, [(16, 8), (8, 8)]),
        (sagan, 32, {"attention_size": 0}, []),
        (biggan, 32, {"attention_size": 0}, []),
        (biggan_deep, 32, {"attention_size": 0}, []),
    ],
    ids=name_of,
)
def test_where_attention_is(module, size, given, expected):
    with torch.device("meta"):
        networks = on_meta(module, 120, (3, size, size), width=1, **given)
        inputs = torch.empty(2, 120), torch.empty(2, 3, size, size)
    found = [outputs(network, SelfAttention, x) for network, x in zip(networks, inputs, strict=True)]
    assert [place for places in found for place in places] == expected


@pytest.mark.parametrize(
    ("size", "largest", "times", "level"),
    [((128, 128), 32, 5, 2), ((24, 40), 32, 2, 1), ((1024, 64), 8, 2, 2), ((8, 8), 1, 1, 1)],
)
def test_level_of_attention(size, largest, times, level):
    assert attention_level(size, largest, times) == level


# ── spectral normalisation and initial weights ───────────────────────────────────────────────────────────────────────────
def unnormalized(network):
    """Names of the layers with weights that are not normalised."""
    return {name for name, m in network.named_modules() if isinstance(m, WEIGHTED) and not is_parametrized(m)}


@pytest.mark.parametrize("module", RESIDUAL, ids=name_of)
def test_which_weights_are_normalized(module):
    generator, discriminator = (
        module.Generator(8, (1, 8, 8), 3, width=2),
        module.Discriminator((1, 8, 8), 3, width=2),
    )
    conditional = {
        f"{outer}.{inner}"
        for outer, m in generator.named_modules()
        if isinstance(m, ConditionalBatchNorm)
        for inner in ("gain", "bias")
    }
    layers = {name for name, m in generator.named_modules() if isinstance(m, WEIGHTED)}
    expected = {sngan: layers, sngan_32: layers, sagan: conditional, biggan: {"shared"}, biggan_deep: {"shared"}}[module]
    assert conditional
    assert unnormalized(generator) == expected
    assert unnormalized(discriminator) == set()
    meta = on_meta(module, 8, (1, 8, 8), 3, width=2)
    assert [parameters(n) for n in (generator, discriminator)] == [parameters(n) for n in meta]


@pytest.mark.parametrize("module", [sngan, sngan_32], ids=name_of)
def test_without_spectral_normalization(module):
    discriminator = module.Discriminator((1, 8, 8), 3, width=2, spectral_norm=False)
    assert unnormalized(discriminator) == {name for name, m in discriminator.named_modules() if isinstance(m, WEIGHTED)}


def test_initial_weights():
    """Glorot's variance is 2 / (inputs + outputs), doubled in residual convolutions; BigGAN's weights are orthogonal."""
    torch.manual_seed(0)
    block = sngan.Generator(8, (1, 16, 16), 2, width=16).requires_grad_(False).blocks[0]
    maps = block.conv1.in_channels + block.conv1.out_channels
    assert block.conv1.weight.var() == pytest.approx(2 * 2 / (9 * maps), rel=0.03)
    assert block.shortcut.weight.var() == pytest.approx(2 / maps, rel=0.06)
    assert not block.norm1.gain.weight.any()
    start = biggan.Generator(8, (1, 16, 16), 0, width=2).start[0].parametrizations.weight.original
    torch.testing.assert_close(start.T @ start, torch.eye(start.shape[1]))


# ── what is peculiar to one of them ──────────────────────────────────────────────────────────────────────────────────────
def test_biggan_splits_z():
    """The smallest maps depend on the first part of z alone, and later parts act after them."""
    torch.manual_seed(0)
    generator = biggan.Generator(7, (1, 16, 16), 0, width=2)  # 3 + 2 + 2 values
    z = torch.randn(2, 7, requires_grad=True)
    starts = []
    generator.start.register_forward_hook(lambda module, given, out: starts.append(out))
    image = generator(z)
    (gradient,) = torch.autograd.grad(starts[0].square().sum(), z, retain_graph=True)
    assert gradient.any(0).tolist() == [True] * 3 + [False] * 4
    (gradient,) = torch.autograd.grad(image.square().sum(), z)
    assert gradient.any(0).all()


def test_too_few_latents_for_biggan_are_refused_in_one_line():
    said = "^latent_dim 2 can't be split into 3 parts, one for the smallest maps and one per block; allowed: 3 or more$"
    with pytest.raises(ValueError, match=said):
        biggan.Generator(2, (1, 16, 16), width=2)
    assert biggan.Generator(3, (1, 16, 16), width=2)(torch.randn(2, 3)).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("module", RESIDUAL, ids=name_of)
def test_at_most_four_channels_are_drawn_and_packs_of_them_judged(module):
    with pytest.raises(ValueError, match=r"^5 channels are too many; allowed: 1 to 4$"):
        module.Generator(8, (5, 8, 8), width=1)
    with torch.device("meta"):
        assert module.Discriminator((8, 8, 8), width=1)(torch.empty(2, 8, 8, 8)).logits.shape == (2,)


@pytest.mark.parametrize("module", [sngan_32, sagan, biggan_deep], ids=name_of)
def test_a_logit_does_not_depend_on_the_batch_and_has_a_second_derivative(module):
    """As a gradient penalty needs; eval mode, because each pass in training mode improves the estimate of σ a little."""
    discriminator = module.Discriminator((1, 8, 8), width=2).eval()
    if module is sagan:
        nn.init.ones_(discriminator.blocks[1].gate)
    x = torch.randn(4, 1, 8, 8, requires_grad=True)
    logits = discriminator(x).logits
    torch.testing.assert_close(discriminator(x[:2]).logits, logits[:2])
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    gradient.square().sum().backward()
    seen = [p.grad for name, p in discriminator.named_parameters() if name.endswith("original")]
    assert seen
    assert all(grad is not None and grad.isfinite().all() for grad in seen)
