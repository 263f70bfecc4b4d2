"""Strokes that become thinner and thicker, on images whose thickness is known."""

import pytest
import torch

from gan_lightning.augmentation.strokes import Strokes

STILL = {"degrees": 0, "shear": 0, "octaves": 0, "shift": 0}


def stroke(width):
    """Return 400 equal black images of a white vertical stroke."""
    x = torch.full((400, 1, 16, 16), -1.0)
    x[..., 8 - width // 2 : 8 - width // 2 + width] = 1
    return x


def thickness(images):
    """Return the mean number of white pixels in a row (N,)."""
    return ((images + 1) / 2).sum(3).mean((1, 2))


def test_nothing_is_changed_where_nothing_is_drawn():
    x = torch.randn(4, 3, 8, 6)
    assert torch.allclose(Strokes(**STILL, p=0)(x), x, atol=1e-6)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_black_stays_black_and_white_white(value):
    torch.manual_seed(0)
    x = torch.full((50, 2, 8, 8), value)
    assert torch.allclose(Strokes(p=1)(x), x, atol=1e-5)


def test_strokes_become_thinner_and_thicker_about_their_own_width():
    torch.manual_seed(0)
    found = thickness(Strokes(**STILL, p=1)(stroke(3)))
    assert found.min() < 2.7
    assert found.max() > 3.8
    assert found.mean().item() == pytest.approx(3.2, abs=0.15)
    little = thickness(Strokes(**STILL, thickness=0.1, p=1)(stroke(3)))
    assert little.max() - little.min() < (found.max() - found.min()) / 2


def test_widths_overlap_so_that_they_cannot_be_read():
    """The thinnest of wide strokes is thinner than the thickest of narrow ones; without the change, none is."""
    torch.manual_seed(0)
    changed = Strokes(**STILL, p=1)
    assert thickness(changed(stroke(3))).min() < thickness(changed(stroke(2))).max()
    unchanged = Strokes(**STILL, p=0)
    assert thickness(unchanged(stroke(3))).min() > thickness(unchanged(stroke(2))).max()


def test_a_share_of_the_images_is_changed():
    torch.manual_seed(0)
    changed = (Strokes(**STILL, p=0.3)(stroke(3)) - stroke(3)).abs().amax((1, 2, 3)) > 1e-3
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.07)


def test_images_of_one_pixel_are_refused():
    assert "3 pixels" in Strokes().incompatibility((1, 1, 8))
    assert Strokes().incompatibility((3, 2, 2)) is None
