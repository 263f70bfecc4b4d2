"""DiffAugment by what each transform may do to an image, and by what G learns through it."""

import pytest
import torch

from gan_lightning.augmentation.diffaugment import DiffAugment, color, cutout, translation

SHAPES = [(1, 28, 28), (3, 16, 24), (4, 7, 5), (6, 8, 8)]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape_gradient_and_draws(shape):
    x = torch.rand(5, *shape, dtype=torch.float64).mul_(2).sub_(1).requires_grad_()
    augment = DiffAugment()
    one, other = augment(x), augment(x)
    assert one.shape == x.shape
    assert not torch.equal(one, other)
    (slope,) = torch.autograd.grad(one.sum(), x)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


def test_each_transform_is_differentiable_twice():
    """R1 needs a gradient of a gradient through what D receives."""
    x = torch.rand(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    for transform in (color, translation, cutout):

        def seeded_transform(x, transform=transform):
            torch.manual_seed(3)
            return transform(x) ** 2

        assert torch.autograd.gradcheck(seeded_transform, x)
        assert torch.autograd.gradgradcheck(seeded_transform, x)


def test_translation_shifts_by_whole_pixels():
    x = torch.arange(1.0, 1 + 16 * 24).view(1, 1, 16, 24).repeat(400, 2, 1, 1)
    moved = translation(x)
    shifts = set()
    for image in moved:
        assert torch.equal(image[0], image[1]), "all channels alike"
        rows, columns = torch.nonzero(image[0], as_tuple=True)
        source = image[0][rows, columns] - 1
        down, right = rows - source // 24, columns - source % 24
        assert len(set(down.tolist())) == len(set(right.tolist())) == 1
        shifts.add((int(down[0]), int(right[0])))
        kept = (16 - abs(int(down[0]))) * (24 - abs(int(right[0])))
        assert len(rows) == kept, "zeros outside, all else kept"
    assert {down for down, _ in shifts} == {-2, -1, 0, 1, 2}
    assert {right for _, right in shifts} == {-3, -2, -1, 0, 1, 2, 3}


@pytest.mark.parametrize("size", [8, 7])
def test_cutout_is_a_rectangle_of_half_the_size(size):
    cut = cutout(torch.ones(2000, 2, size, 10)) == 0
    assert torch.equal(cut[:, 0], cut[:, 1])
    height, width = cut[:, 0].any(2).sum(1), cut[:, 0].any(1).sum(1)
    assert torch.equal(cut[:, 0].sum((1, 2)), height * width)
    assert (height.max(), width.max()) == (4, 5)
    assert height.min() >= 2
    assert width.min() >= 2
    assert cut[:, 0].float().mean((0,)).min() > 0.05, "every pixel is cut in some image"


def colours(x):  # (N, C, H, W) -> (N,)
    return (x - x.mean(1, keepdim=True)).flatten(1).norm(dim=1)


def test_color_is_one_affine_change_per_image():
    x = torch.rand(2000, 3, 4, 4) * 2 - 1
    changed = color(x)
    assert (changed.mean((1, 2, 3)) - x.mean((1, 2, 3))).abs().max() <= 0.5, "brightness alone moves the mean"
    grey, before = changed.mean(1), x.mean(1)
    contrast = grey.std((1, 2)) / before.std((1, 2))
    assert 0.5 <= contrast.min() < 0.52
    assert 1.48 < contrast.max() <= 1.5
    spread = colours(changed) / colours(x)
    saturation = spread / contrast
    assert saturation.min() < 0.02
    assert 1.98 < saturation.max() <= 2.0001


def test_one_channel_has_no_saturation():
    x = torch.rand(50, 1, 4, 4)
    changed = color(x)
    ratio = (changed - changed.mean((1, 2, 3), keepdim=True)) / (x - x.mean((1, 2, 3), keepdim=True))
    assert torch.allclose(ratio.amin((1, 2, 3)), ratio.amax((1, 2, 3)), atol=1e-3)


def test_a_policy_is_what_is_applied():
    x = torch.rand(4, 1, 8, 8) + 0.1
    assert (DiffAugment(("cutout",))(x) == 0).any(), "cut"
    changed = DiffAugment(("color",))(x)
    assert not (changed == 0).any()
