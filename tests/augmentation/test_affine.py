"""The small affine maps, on images whose map is known."""

import math

import pytest
import torch

from gan_lightning.augmentation.affine import Affine

NOTHING = {"degrees": 0, "shear": 0, "octaves": 0, "shift": 0, "p": 1}
SIDE = 33


def blob(x, y):
    """Return 400 equal images of a small bright disc at (x, y) pixels from the centre."""
    rows, columns = torch.meshgrid(torch.arange(SIDE) - SIDE // 2, torch.arange(SIDE) - SIDE // 2, indexing="ij")
    return torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4.0).expand(400, 1, -1, -1)


def centres(images):
    """Return where the discs are (N, 2), as x and y from the centre in pixels."""
    place = torch.arange(SIDE) - SIDE // 2
    mass = images.sum((1, 2, 3))
    return torch.stack([(images.sum((1, 2)) * place).sum(1) / mass, (images.sum((1, 3)) * place).sum(1) / mass], 1)


def test_nothing_is_changed_where_nothing_is_drawn():
    x = torch.randn(4, 3, 8, 6)
    assert torch.allclose(Affine(**NOTHING)(x), x, atol=1e-6)
    assert torch.allclose(Affine(p=0)(x), x, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "place", "reached"),
    [
        ({"degrees": 30}, (8, 0), ((8 * math.cos(math.pi / 6), 8), (-4, 4))),  # the range of x, and of y
        ({"shear": 0.5}, (0, 8), ((-4, 4), (8, 8))),
        ({"octaves": 0.5}, (6, 6), ((6 / 2**0.5, 6 * 2**0.5), (6 / 2**0.5, 6 * 2**0.5))),
        ({"shift": 0.1}, (0, 0), ((-3.3, 3.3), (-3.3, 3.3))),
    ],
)
def test_each_map_reaches_its_whole_range_and_no_more(changed, place, reached):
    torch.manual_seed(0)
    found = centres(Affine(**(NOTHING | changed))(blob(*place)))
    for values, (low, high) in zip(found.T, reached, strict=True):
        assert values.min().item() == pytest.approx(low, abs=0.25)
        assert values.max().item() == pytest.approx(high, abs=0.25)


def test_a_share_of_the_images_is_mapped():
    torch.manual_seed(0)
    moved = (centres(Affine(**(NOTHING | {"shift": 0.1, "p": 0.3}))(blob(0, 0))).abs() > 1e-3).any(1)
    assert moved.float().mean().item() == pytest.approx(0.3, abs=0.07)
    assert Affine(p=0.3).probability().item() == pytest.approx(0.3)
