"""The layers of the residual networks, by hand: blocks, attention, conditional batch normalisation, spectral normalisation."""

import copy

import pytest
import torch
from torch import nn, tensor
from torch.nn.utils.parametrize import is_parametrized

from gan_lightning.model.layer.attention import SelfAttention
from gan_lightning.model.layer.bottleneck import DownBottleneck, UpBottleneck
from gan_lightning.model.layer.conditional_batch_norm import ConditionalBatchNorm, one_hot
from gan_lightning.model.layer.residual import DownBlock, FirstDownBlock, UpBlock
from gan_lightning.model.layer.spectral_norm import normalize_spectra
from gan_lightning.model.layer.sync_batch_norm import SyncBatchNorm, synchronize_batch_norm

NONE = torch.empty(2, 0)  # no condition


def zeroed(layer):
    for p in layer.parameters():
        nn.init.zeros_(p)


# ── blocks: without the convolutions' part the shortcut is left, and without the shortcut the other ──────────────────────
def test_shortcuts():
    x = torch.randn(2, 4, 4, 4)
    pooled, enlarged = nn.functional.avg_pool2d(x, 2), x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for block, kept in ((DownBlock(4, 4, 4), pooled), (FirstDownBlock(4, 4), pooled), (UpBlock(4, 4), enlarged)):
        zeroed(block)
        nn.init.dirac_(block.shortcut.weight)
        torch.testing.assert_close(block(x, NONE) if isinstance(block, UpBlock) else block(x), kept)
    same = DownBlock(4, 4, 4, halve=False)
    zeroed(same)
    assert torch.equal(same(x), x)


@pytest.mark.parametrize(("kind", "rectified"), [(DownBlock, True), (FirstDownBlock, False)])
def test_only_the_first_block_keeps_values_below_zero(kind, rectified):
    block = kind(1, 1, 1) if rectified else kind(1, 1)
    zeroed(block)
    nn.init.dirac_(block.conv1.weight, 1)
    nn.init.constant_(block.conv1.bias, 10.0)
    nn.init.dirac_(block.conv2.weight, 1)
    assert block(torch.full((1, 1, 2, 2), -3.0)).item() == (10.0 if rectified else 7.0)


def test_bottlenecks_drop_and_add_channels():
    x = torch.randn(2, 8, 4, 4)
    for scale in (1, 2):
        up = UpBottleneck(8, 4, 0, scale)
        zeroed(up)
        torch.testing.assert_close(up(x, NONE), x[:, :4].repeat_interleave(scale, 2).repeat_interleave(scale, 3))
    down = DownBottleneck(8, 12, halve=True)
    zeroed(down)
    nn.init.dirac_(down.added.weight)
    pooled = nn.functional.avg_pool2d(x, 2)
    torch.testing.assert_close(down(x), torch.cat([pooled, pooled[:, :4]], 1))
    assert [conv.out_channels for conv in UpBottleneck(8, 4, 0, 1).convs] == [2, 2, 2, 4]  # a quarter of the inputs
    assert [m.out_channels for m in down.layers if isinstance(m, nn.Conv2d)] == [3, 3, 3, 12]  # a quarter of the outputs


# ── attention ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_attention_by_hand():
    """Every pixel's weights over the pooled pixels, one pixel at a time; Zhang et al. 2019, equations 1 to 3."""
    torch.manual_seed(0)
    layer, x = SelfAttention(8), torch.randn(2, 8, 3, 4)
    assert torch.equal(layer(x), x)  # the gate is closed
    nn.init.constant_(layer.gate, 0.5)
    query = layer.query(x)
    key, value = (nn.functional.max_pool2d(convolution(x), 2, ceil_mode=True) for convolution in (layer.key, layer.value))
    assert key.shape == (2, 1, 2, 2)  # 3 rows are 2 pooled ones; none is lost
    assert value.shape == (2, 4, 2, 2)
    for n, i, j in ((0, 0, 0), (0, 2, 1), (1, 1, 3)):
        weights = torch.stack([query[n, :, i, j] @ key[n, :, a, b] for a in range(2) for b in range(2)]).softmax(0)
        read = sum(w * value[n, :, k // 2, k % 2] for k, w in enumerate(weights))
        expected = x[n, :, i, j] + 0.5 * layer.output.weight[:, :, 0, 0] @ read
        torch.testing.assert_close(layer(x)[n, :, i, j], expected)


def test_attention_on_a_single_pixel_and_few_maps():
    layer = SelfAttention(1)
    nn.init.ones_(layer.gate)
    x = torch.randn(2, 1, 1, 1)
    torch.testing.assert_close(layer(x), x * (1 + layer.value.weight * layer.output.weight))


# ── conditional batch normalisation ──────────────────────────────────────────────────────────────────────────────────────
def test_conditional_batch_norm_by_hand():
    layer, x = ConditionalBatchNorm(2, 3), torch.randn(6, 2, 2, 2)
    classes = one_hot(torch.randn(6, 5), torch.arange(6) % 3, 3)
    assert classes.tolist() == torch.eye(3).repeat(2, 1).tolist()
    plain = nn.BatchNorm2d(2)(x)
    assert torch.equal(layer(x, classes), plain)  # scale 1, shift 0
    with torch.no_grad():
        layer.gain.weight.copy_(tensor([[0.0, 1.0, 2.0], [-1.0, 0.0, 0.5]]))
        layer.bias.weight.copy_(tensor([[0.0, 0.0, 3.0], [5.0, 0.0, 0.0]]))
    out = layer(x, classes)
    by_class = {0: ([1.0, 0.0], [0.0, 5.0]), 1: ([2.0, 1.0], [0.0, 0.0]), 2: ([3.0, 1.5], [3.0, 0.0])}
    for i in range(6):
        scale, shift = (tensor(values).view(2, 1, 1) for values in by_class[i % 3])
        torch.testing.assert_close(out[i], plain[i] * scale + shift)


def test_without_a_condition_it_is_batch_norm():
    layer, plain, x = ConditionalBatchNorm(3, 0), nn.BatchNorm2d(3), torch.randn(4, 3, 2, 2)
    assert sum(p.numel() for p in layer.parameters()) == 6
    assert torch.equal(layer(x, NONE), plain(x))
    assert one_hot(torch.randn(4, 5), None, 0).shape == (4, 0)
    with pytest.raises(ValueError, match=r"^a network of 2 classes was given no"):
        one_hot(torch.randn(4, 5), None, 2)


@pytest.mark.parametrize("condition_dim", [0, 3])
def test_it_can_be_synchronized(condition_dim):
    """Its statistics become those of all ranks, as they do in an ordinary layer (tests/distributed/test_ranks.py)."""
    block, x, condition = UpBlock(2, 2, condition_dim), torch.randn(4, 2, 2, 2), torch.randn(4, condition_dim)
    expected = copy.deepcopy(block)(x, condition)
    synchronize_batch_norm(block)
    assert isinstance(block.norm1.norm, SyncBatchNorm)
    assert torch.equal(block(x, condition), expected)


# ── spectral normalisation ───────────────────────────────────────────────────────────────────────────────────────────────
def test_a_matrix_is_divided_by_its_largest_singular_value():
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(tensor([[3.0, 0.0], [0.0, -4.0]]))
    normalize_spectra(layer)
    torch.testing.assert_close(layer.weight, tensor([[0.75, 0.0], [0.0, -1.0]]))
    convolution = nn.Conv1d(3, 5, 4)
    before = convolution.weight.detach().clone()
    normalize_spectra(convolution)
    for _ in range(100):
        convolution(torch.randn(1, 3, 4))
    torch.testing.assert_close(convolution.weight, before / torch.linalg.matrix_norm(before.flatten(1), 2))


def test_the_estimate_changes_in_training_mode_alone_and_is_in_the_state():
    torch.manual_seed(0)
    layer, x = nn.Linear(30, 30), torch.randn(1, 30)
    normalize_spectra(layer)
    start = copy.deepcopy(layer.state_dict())
    layer.eval()(x)
    assert all(torch.equal(value, layer.state_dict()[name]) for name, value in start.items())
    layer.train()(x)
    changed = {name for name, value in start.items() if not torch.equal(value, layer.state_dict()[name])}
    assert changed == {"parametrizations.weight.0._u", "parametrizations.weight.0._v"}
    resumed, other = nn.Linear(30, 30), nn.Linear(30, 30)
    for net in (resumed, other):
        normalize_spectra(net)
    resumed.load_state_dict(layer.state_dict())
    with torch.no_grad():
        other.parametrizations.weight.original.copy_(layer.parametrizations.weight.original)
        other.bias.copy_(layer.bias)
    expected = copy.deepcopy(layer)(x)
    assert torch.equal(resumed(x), expected)
    assert not torch.equal(other(x), expected)  # the same weights, another estimate


def test_layers_are_normalized_once_and_skipped_by_kind():
    network = nn.Sequential(nn.Linear(2, 2), ConditionalBatchNorm(2, 3), nn.Embedding(2, 2), nn.ReLU())
    for _ in range(2):
        normalize_spectra(network, skip=(ConditionalBatchNorm,))
    assert [is_parametrized(m) for m in (network[0], network[1].gain, network[1].bias, network[2])] == [
        True,
        False,
        False,
        True,
    ]
    assert len(network[0].parametrizations.weight) == 1
    with torch.device("meta"):
        empty = nn.Linear(2, 2)
        normalize_spectra(empty)
    assert not is_parametrized(empty)
