"""The two stages of a generator: its own, or the identity and itself."""

import torch
from torch import nn

from gan_lightning.step.latents import split_generator


class Style(nn.Module):
    """w = 2 z, and a sample of w + condition."""

    def mapping(self, z, condition):
        return 2 * z

    def synthesis(self, w, condition):
        return w + condition.unsqueeze(1)

    def forward(self, z, condition=None):
        return self.synthesis(self.mapping(z, condition), condition)


def test_the_stages_of_a_style_based_generator():
    generator, z, condition = Style(), torch.randn(3, 2), torch.arange(3)
    mapping, synthesis = split_generator(generator)
    assert torch.equal(mapping(z, condition), 2 * z)
    assert torch.equal(synthesis(mapping(z, condition), condition), generator(z, condition))


def test_of_another_generator_w_is_z():
    generator, z = nn.Bilinear(2, 1, 3), torch.randn(4, 2)
    mapping, synthesis = split_generator(generator)
    assert mapping(z, None) is z
    assert synthesis(z, torch.ones(4, 1)).shape == (4, 3)
