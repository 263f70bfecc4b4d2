"""FastGAN: which sizes excite which, the parts that D scores, and its frozen estimates in eval mode."""

import pytest
import torch
from torch import tensor

from gan_lightning.model.fastgan import Discriminator, DiscriminatorBlock, Generator
from gan_lightning.model.layer.skip_layer_excitation import SkipLayerExcitation


def test_excitation_by_hand():
    """Eq. 1: the pooled small maps give one number in (0, 1) for each channel of the large ones."""
    layer = SkipLayerExcitation(1, 2, (1, 1), 2)
    for convolution, values in ((layer.weights[1], [1.0, -1.0]), (layer.weights[3], [[1.0, 0.0], [0.0, 1.0]])):
        convolution.weight.data = tensor(values).reshape(convolution.weight.shape)
    small, large = tensor([[[[1.0, 2.0], [3.0, 6.0]]]]), torch.ones(1, 2, 8, 8)
    expected = torch.sigmoid(tensor([3.0, -0.3]))[None, :, None, None].expand(1, 2, 8, 8)  # LeakyReLU 0.1 of ±3
    torch.testing.assert_close(layer(small, large), expected)


@pytest.mark.parametrize(
    ("size", "pairs"),
    [
        (8, []),
        (16, [(8, 16)]),
        (32, [(8, 32)]),
        (64, [(8, 64)]),
        (256, [(8, 128), (16, 256)]),  # published
        (512, [(8, 128), (16, 256), (32, 512)]),
    ],
)
def test_excitation_spans_four_doublings(size, pairs):
    with torch.device("meta"):
        generator, found = Generator(4, (3, size, size), width=1), []
        for layer in generator.excitations:
            layer.register_forward_hook(lambda module, given, out: found.append((given[0].shape[2], given[1].shape[2])))
        assert generator(torch.empty(2, 4)).shape == (2, 3, size, size)
    assert found == pairs


@pytest.mark.parametrize(("size", "parts"), [(8, 1), (16, 25), (28, 121), (256, 25)])
def test_d_scores_parts(size, parts):
    """At 256×256 the published 5×5."""
    with torch.device("meta"):
        assert Discriminator((3, size, size), width=1)(torch.empty(2, 3, size, size)).logits.shape == (2, parts)


def test_eval_mode_is_a_function_of_its_inputs():
    torch.manual_seed(0)
    generator, discriminator = Generator(6, (2, 8, 12), 3, width=4), Discriminator((2, 8, 12), 3, width=4)
    z, condition = torch.randn(6, 6), torch.arange(6) % 3
    discriminator(generator(z, condition), condition)  # running statistics, a power iteration
    generator.eval(), discriminator.eval()
    images = generator(z, condition)
    halves = torch.cat([generator(z[:3], condition[:3]), generator(z[3:], condition[3:])])
    torch.testing.assert_close(images, halves, rtol=0, atol=1e-5)
    logits = discriminator(images, condition).logits
    torch.testing.assert_close(discriminator(images[:3], condition[:3]).logits, logits[:3], rtol=0, atol=1e-5)
    assert torch.equal(discriminator(images, condition).logits, logits)


def test_double_backward():
    torch.manual_seed(0)
    discriminator, x = Discriminator((1, 8, 8), width=2).double().eval(), torch.randn(2, 1, 8, 8).double().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).logits.sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad.isfinite().all()
    weights = [p for name, p in discriminator.named_parameters() if "weight.original" in name]
    assert len(weights) == 3
    assert all(p.grad is not None and p.grad.any() for p in weights)


def test_a_block_is_the_mean_of_two_paths():
    torch.manual_seed(0)
    block, x = DiscriminatorBlock(2, 4).eval(), torch.randn(2, 2, 8, 8)
    out = block(x)
    assert out.shape == (2, 4, 4, 4)
    torch.testing.assert_close(out, (block.strided(x) + block.pooled(x)) / 2)
