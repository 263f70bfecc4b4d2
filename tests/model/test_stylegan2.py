"""StyleGAN2: published parameter counts, styles, noise, and the running mean of w."""

import copy

import pytest
import torch

from gan_lightning.model.stylegan2 import MEAN_DECAY, Discriminator, DiscriminatorBlock, Generator

SMALL = {"width": 4, "style_dim": 8, "mapping_depth": 2}
SHAPE = (2, 8, 12)


def number(network):
    return sum(p.numel() for p in network.parameters())


def generator(classes=0, **given):
    torch.manual_seed(0)
    network = Generator(6, SHAPE, classes, **(SMALL | given))
    for layer in network.synthesis.layers:
        layer.noise_strength.data.fill_(0.3)  # 0 at the start
    return network


@pytest.mark.parametrize(
    ("size", "width", "given", "counts"),
    [
        (256, 64, {}, (24_767_458, 24_001_089)),  # the published one: Huang et al. 2024, table 2, configuration A
        (256, 128, {}, (30_034_338, 28_864_129)),
        (1024, 32, {}, (30_370_060, 29_012_513)),
        (32, 512, {"mapping_depth": 2, "residual": False}, (19_947_539, 20_720_641)),  # ADA's for CIFAR-10
    ],
)
def test_published_parameter_counts(size, width, given, counts):
    with torch.device("meta"):
        own = {key: value for key, value in given.items() if key != "residual"}
        g, d = Generator(512, (3, size, size), width=width, **own), Discriminator((3, size, size), width=width, **given)
    assert (number(g), number(d)) == counts


def test_eval_mode_is_a_function_of_z_and_the_condition():
    network = generator(3).eval()
    z, condition = torch.randn(6, 6), torch.arange(6) % 3
    whole = network(z, condition)
    halves = torch.cat([network(z[:3], condition[:3]), network(z[3:], condition[3:])])
    torch.testing.assert_close(whole, halves, rtol=0, atol=1e-5)
    assert torch.equal(whole, network(z, condition))


def test_training_draws_noise_and_mixes_styles():
    z = torch.randn(6, 6)
    network = generator(mixing=0.0).train()
    assert not torch.equal(network(z), network(z))  # the noise
    for layer in network.synthesis.layers:
        layer.noise_strength.data.zero_()
    assert torch.equal(network(z), network(z))  # the control: nothing else is drawn
    network.mixing = 1.0
    assert not torch.equal(network(z), network(z))


def test_draws_come_from_the_default_generator():
    network, z = generator().train(), torch.randn(4, 6)
    torch.manual_seed(5)
    one = network(z)
    torch.manual_seed(5)
    assert torch.equal(network(z), one)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_styles_are_mixed_from_a_layer_on(share):
    network = generator(mixing=share)
    layers = network.synthesis.num_styles
    w, other = torch.zeros(400, layers, 8), torch.ones(400, layers, 8)
    styles = network.mix(w, other)
    assert styles.shape == (400, layers, 8)
    assert (styles.diff(dim=1) >= 0).all()  # w first, then the other
    assert not styles[:, 0].any()
    mixed = styles[:, -1, 0]
    assert mixed.mean() == pytest.approx(share, abs=0.1)
    if share:
        starts = (layers - styles[mixed > 0][..., 0].sum(1)).unique().tolist()
        assert starts == list(range(1, layers))


def test_each_layer_has_a_style():
    network = generator().eval()
    each = network.mapping(torch.randn(3, 6))
    assert network.synthesis.num_styles == 2 * network.doubling.times + 2
    assert torch.equal(each, each[:, :1].expand_as(each)), "one style for all"
    for i in range(network.synthesis.num_styles):  # each of them is used
        changed = each.clone()
        changed[:, i] += 1
        assert not torch.equal(network.synthesis(changed), network.synthesis(each))


def test_the_mean_of_w_is_that_of_training():
    network, z = generator(), torch.randn(5, 6)
    network.eval()(z)
    assert not network.w_mean.any()
    network.train()(z)
    torch.testing.assert_close(network.w_mean, (1 - MEAN_DECAY) * network.mapping(z)[:, 0].mean(0))
    assert "w_mean" in network.state_dict()
    copied = copy.deepcopy(network)
    assert torch.equal(copied.w_mean, network.w_mean)


def test_a_path_length_can_be_differentiated():
    """The gradient of images by w, and its own gradient by the weights."""
    network = generator()
    w = network.mapping(torch.randn(2, 6))
    image = network.synthesis(w)
    (slope,) = torch.autograd.grad((image * torch.randn_like(image)).sum(), w, create_graph=True)
    slope.square().sum().backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert all(name.endswith("bias") or "noise" in name or "images" in name for name in missing)


def test_noise_has_no_strength_at_the_start():
    network = Generator(6, SHAPE, **SMALL)
    assert not any(layer.noise_strength.any() for layer in network.synthesis.layers)
    assert network.mixing == 0.9


@pytest.mark.parametrize("residual", [True, False])
def test_a_block_keeps_the_scale_of_its_input(residual):
    torch.manual_seed(0)
    block = DiscriminatorBlock(16, 32, residual)
    x = torch.randn(4, 16, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)  # smooth, so that blurring leaves it as it is
    out = block(x)
    assert out.shape == (4, 32, 16, 16)
    assert out.square().mean().sqrt().item() == pytest.approx(1, abs=0.35)
    if residual:
        torch.testing.assert_close(out, (block.main(x) + block.skip(x)) / 2**0.5)


def test_a_class_enters_by_a_product():
    torch.manual_seed(0)
    network, x = Discriminator(SHAPE, 3, **SMALL).eval(), torch.randn(3, *SHAPE)
    condition = torch.tensor([2, 0, 1])
    output = network(x, condition)
    styles = network.mapping(torch.empty(3, 0), condition)
    torch.testing.assert_close(output.logits, (network.head(output.features) * styles).sum(1) / 8**0.5)


def test_packs_and_channels():
    with pytest.raises(ValueError, match=r"^5 channels are too many; allowed: 1 to 4$"):
        Generator(6, (5, 8, 8), **SMALL)
    assert Discriminator((10, 8, 8), **SMALL)(torch.randn(4, 10, 8, 8)).logits.shape == (4,)


def test_a_group_that_does_not_divide_the_batch_is_refused():
    with pytest.raises(ValueError, match="groups of 4 samples, which do not divide 6"):
        Discriminator((1, 8, 8), **SMALL)(torch.randn(6, 1, 8, 8))


@pytest.mark.slow
def test_an_exported_generator_takes_any_number_of_samples():
    """The control: a length in Python would fix the number of the example."""
    any_number = ({0: torch.export.Dim("n")}, {0: torch.export.Dim("n")})
    network, example = generator(3).eval(), (torch.randn(2, 6), torch.arange(2))
    exported = torch.export.export(network, example, dynamic_shapes=any_number).module()
    z, condition = torch.randn(5, 6), torch.arange(5) % 3
    torch.testing.assert_close(exported(z, condition), network(z, condition))
