"""ADA: each transform by what it does to an image, the controller by its rule, and the warp's second derivative."""

import math

import pytest
import torch
from torch import tensor

from gan_lightning.augmentation.ada import ADA
from gan_lightning.augmentation.warp import rotation, scaling, translation, warp


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def numbered(height, width, n=1, channels=1):
    return torch.arange(1.0, 1 + height * width).view(1, 1, height, width).repeat(n, channels, 1, 1)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_warps_by_hand():
    x = numbered(6, 6)
    close(warp(x, torch.eye(3)[None]), x)
    close(warp(x, scaling(tensor([-1.0]), tensor([1.0]))), x.flip(3))
    close(warp(x, rotation(tensor([math.pi / 2]))), x.rot90(-1, (2, 3)))  # clockwise
    moved = warp(x, translation(tensor([2.0]), tensor([1.0])))
    close(moved[..., 1:, 2:], x[..., :-1, :-2])
    close(moved[..., :1, 2:], x[..., :1, :-2])  # the border row is reflected
    large = warp(x, scaling(tensor([2.0]), tensor([2.0])))
    close(large.mean(), x.mean())
    assert large.std() < x.std(), "its middle is enlarged"


def test_changes_come_in_the_order_of_the_factors():
    x = numbered(8, 8)
    turned, moved = rotation(tensor([math.pi / 2])), translation(tensor([2.0]), tensor([0.0]))
    close(warp(x, turned @ moved), warp(warp(x, turned), moved))
    assert not torch.allclose(warp(x, turned @ moved), warp(x, moved @ turned), atol=1.0)


def test_a_wide_image_is_turned_without_distortion():
    x = numbered(4, 8)
    turned = warp(x, rotation(tensor([math.pi / 2])))
    close(turned[..., 2:6], x[..., 2:6].rot90(-1, (2, 3)))


def test_the_warp_is_differentiable_twice():
    """With the gradient penalties, the gradient of a gradient: torch alone has none for a sampled grid."""
    x = torch.rand(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    matrices = (rotation(tensor([0.3, 1.0])) @ scaling(tensor([0.7, 1.3]), tensor([1.1, -1.0]))).double()
    assert torch.autograd.gradcheck(lambda x: warp(x, matrices) ** 2, x)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, matrices) ** 2, x)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 24), (4, 7, 5)], ids=str)
def test_without_probability_nothing_changes_and_with_it_all_does(shape):
    x = torch.rand(64, *shape)
    torch.testing.assert_close(ADA()(x), x, rtol=0, atol=1e-4)
    changed = ADA(initial_p=1.0)(x)
    assert changed.shape == x.shape
    assert changed.isfinite().all()
    assert ((changed - x).abs().amax((1, 2, 3)) > 0.05).all()


def test_a_transform_is_skipped_by_its_probability():
    ada = ADA(initial_p=0.1)
    identical = (ada.draw_geometry(torch.empty(20000, 1, 8, 8)) - torch.eye(3)).abs().amax((1, 2)) < 1e-6
    # a flip does nothing with 1/2, a quarter turn with 1/4, a move of less than half a pixel on both axes with 1/4; then zoom,
    # both rotations together, stretch, shift
    drawn = [1 - 0.1 / 2, 1 - 0.1 * 3 / 4, 1 - 0.1 * 3 / 4, 0.9, 0.9, 0.9, 0.9]
    assert identical.float().mean().item() == pytest.approx(math.prod(drawn), abs=0.01)


def test_colours_of_one_and_of_three_channels():
    ada, grey = ADA(initial_p=1.0), torch.rand(3000, 1, 2, 2)
    changed = ada.change_colours(grey)
    slope = (changed[..., 0, 0] - changed[..., 1, 1]) / (grey[..., 0, 0] - grey[..., 1, 1])
    assert (slope < 0).float().mean().item() == pytest.approx(0.5, abs=0.05), "luma is flipped in half of them"
    assert slope.abs().log2().std().item() == pytest.approx(0.5, abs=0.05), "contrast"
    colour = torch.rand(3000, 3, 2, 2)
    luma, chroma = (colour.mean(1, keepdim=True), colour - colour.mean(1, keepdim=True))
    turned = ada.change_colours(colour)
    rest = turned - turned.mean(1, keepdim=True)
    lengths = rest.norm(dim=1) / chroma.norm(dim=1)
    torch.testing.assert_close(lengths.amax((1, 2)), lengths.amin((1, 2)), rtol=1e-2, atol=1e-3)  # one factor per image
    cosine = (rest * chroma).sum(1)[:, 0, 0] / (rest.norm(dim=1) * chroma.norm(dim=1))[:, 0, 0]
    assert cosine.abs().mean().item() == pytest.approx(2 / math.pi, abs=0.03), "hue: uniform angles"
    assert not torch.allclose(turned.mean(1, keepdim=True), luma, atol=0.1)


def test_p_rises_where_d_is_sure_and_falls_where_it_is_not():
    ada = ADA(target=0.6, speed_kimg=0.1, interval=2)
    sure, unsure = torch.full((10,), 3.0), tensor([1.0, -1.0] * 5)
    ada.update(sure)
    assert ada.p == 0, "not before the interval is over"
    ada.update(sure)
    assert ada.p.item() == pytest.approx(2 * 10 / 100)
    for logits in (unsure, sure):  # their mean is 0.5
        ada.update(logits)
    assert ada.p.item() == pytest.approx(0.0)
    for _ in range(30):
        ada.update(sure)
    assert ada.p == 1
    assert set(ada.state_dict()) == {"p", "signs", "steps"}
