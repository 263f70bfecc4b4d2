"""The discriminator in both players' updates: with and without augmentation, in fp32, real and fake apart or together."""

import torch
from torch import nn

from gan_lightning.augmentation.base import Augmentation
from gan_lightning.step.augmented_discriminator import AugmentedDiscriminator
from gan_lightning.step.types import Output


class Sum(nn.Module):
    """A logit that is the sum of a sample's values, plus its condition; keeps the inputs' types."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x, condition=None):
        self.seen.append(x.dtype)
        return Output(x.flatten(1).sum(1) + (0 if condition is None else condition.flatten(1).sum(1)))


class Plus(Augmentation):
    """Adds 1 to each value."""

    def forward(self, x):
        assert x.dtype == torch.float32
        return x + 1


class Mixed(Plus):
    """Draws one transform for both sides."""

    def pair(self, real, fake):
        return real + 10, fake + 10


def test_with_and_without_augmentation():
    discriminate, x = AugmentedDiscriminator(Sum(), Plus(), 1), torch.zeros(2, 3)
    assert discriminate(x, None).logits.tolist() == [3, 3]
    assert discriminate.unaugmented(x, None).logits.tolist() == [0, 0]


def test_a_pair_is_augmented_side_by_side_or_together():
    real, fake = torch.zeros(2, 3), torch.ones(2, 3)
    for augmentation, expected in ((Plus(), ([3, 3], [6, 6])), (Mixed(), ([30, 30], [33, 33]))):
        discriminate = AugmentedDiscriminator(Sum(), augmentation, 1)
        found = discriminate.for_discriminator(real, fake, None), discriminate.for_generator(real, fake, None, True)
        assert [tuple(output.logits.tolist() for output in outputs) for outputs in found] == [expected] * 2


def test_g_alone_sees_its_samples_unless_the_loss_is_relativistic():
    real, fake = torch.zeros(2, 3), torch.ones(2, 3, requires_grad=True)
    discriminate = AugmentedDiscriminator(Sum(), Plus(), 1)
    nothing, output = discriminate.for_generator(real, fake, None, relativistic=False)
    assert nothing is None
    assert output.logits.requires_grad
    assert not discriminate.for_generator(real.requires_grad_(), fake, None, relativistic=True)[0].logits.requires_grad


def test_half_precision_samples_enter_in_fp32():
    network = Sum()
    discriminate = AugmentedDiscriminator(network, Plus(), 1)
    discriminate.for_generator(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bfloat16), None, True)
    discriminate.for_generator(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bfloat16), None, False)
    discriminate(torch.ones(2, 3, dtype=torch.bfloat16), None)
    assert network.seen == [torch.float32] * 4


def test_packed_samples_have_packed_conditions():
    found = AugmentedDiscriminator(Sum(), Augmentation(), 2).unaugmented(torch.zeros(4, 1, 3), torch.tensor([1, 2, 3, 4]))
    assert found.logits.tolist() == [3, 7]


def test_an_augmentation_computes_in_fp32_under_autocast():
    class Matrix(Augmentation):
        def forward(self, x):
            return x @ torch.eye(3).mul(1.001)  # bf16 has no such number

    x = torch.rand(4, 3)
    discriminate, seen = AugmentedDiscriminator(nn.Identity(), Matrix(), 1), []
    object.__setattr__(discriminate, "discriminator", lambda given, _: seen.append(given) or Output(given.sum(1)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        discriminate(x, None)
        discriminate.for_discriminator(x, x, None)
        discriminate.for_generator(x, x, None, True)
    assert len(seen) == 5
    assert all(torch.equal(found, x @ torch.eye(3).mul(1.001)) for found in seen)
