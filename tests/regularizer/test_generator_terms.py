"""Regularizers of G, and those that read classes, codes or features: worked out by hand, and trained for a step."""

import pytest
import torch
from tiny_gan import LATENT, fit, make_gan
from torch import nn, tensor
from torch.nn.functional import cross_entropy

from gan_lightning.augmentation.diffaugment import DiffAugment
from gan_lightning.model import dirac, stylegan2
from gan_lightning.prior.coded_gaussian import CodedGaussian
from gan_lightning.regularizer.auxiliary_classifier import AuxiliaryClassifier
from gan_lightning.regularizer.consistency import Consistency
from gan_lightning.regularizer.feature_matching import FeatureMatching
from gan_lightning.regularizer.info import Info
from gan_lightning.regularizer.lecam import LeCam
from gan_lightning.regularizer.orthogonal import Orthogonal
from gan_lightning.regularizer.path_length import PathLength
from gan_lightning.step.types import Batch, Output


class Flat(nn.Module):
    """G(z) = A z, an image of one pixel per row of A."""

    def __init__(self, rows):
        super().__init__()
        self.linear = nn.Linear(len(rows[0]), len(rows), bias=False)
        self.linear.weight.data = tensor(rows)

    def forward(self, z, condition=None):
        return self.linear(z)[:, None, None]


def context_of(gan, z, real, condition=None):
    batch = Batch(real, condition)
    return gan.generator_context(z, batch, gan.generator(z, condition))


def test_orthogonal_by_hand():
    generator = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ConvTranspose1d(1, 2, 2, bias=False))
    generator[0].weight.data = tensor([[1.0, 2.0], [3.0, 4.0]])  # inner product 11, twice
    generator[1].weight.data = tensor([[[1.0, 0.0], [2.0, 5.0]]])  # two filters: (1, 0) and (2, 5), inner product 2
    context = type("Context", (), {"generator": generator, "fake": torch.zeros(1)})
    assert Orthogonal().generator(context) == 2 * 11**2 + 2 * 2**2
    context.generator = nn.Identity()
    assert Orthogonal().generator(context) == 0


def test_orthogonal_needs_weights_that_are_used_as_they_are():
    generator = stylegan2.Generator(8, (1, 8, 8), width=4, style_dim=8, mapping_depth=2)
    with pytest.raises(ValueError, match="equalized"):
        Orthogonal().setup(generator, nn.Identity())


def test_path_length_of_a_linear_generator():
    """One pixel: the slope of y · a · z is y · a, its norm |y| · |a|; the running mean takes a hundredth of it first."""
    gan = make_gan((1, 1, 1), generator=Flat([[3.0, 4.0]]), regularizers={"p": PathLength()}, latent_dim=2)
    term = PathLength()
    torch.manual_seed(0)
    found = term.generator(context_of(gan, torch.randn(8, 2), torch.zeros(8, 1, 1, 1)))
    assert found.shape == (4,), "half of the batch"
    mean = term.mean_length.value
    lengths = found.sqrt()
    assert mean == pytest.approx(0.01 * (lengths + mean).mean().item(), rel=1e-4)
    torch.manual_seed(0)
    torch.randn(8, 2)
    noise = torch.randn(4, 1, 1, 1).flatten().abs() * 5
    torch.testing.assert_close((noise - mean).square(), found, rtol=1e-4, atol=1e-5)


def test_path_length_of_an_isometry_becomes_even():
    """With many pixels and equal slopes in all directions, lengths concentrate: the penalty measures what differs."""
    even, uneven = torch.eye(64).tolist(), torch.diag(torch.tensor([8.0] + [1e-3] * 63)).tolist()
    terms = []
    for rows in (even, uneven):
        gan = make_gan((1, 1, 64), generator=Flat(rows), regularizers={}, latent_dim=64)
        term = PathLength(decay=0.5)
        for _ in range(8):
            torch.manual_seed(1)
            last = term.generator(context_of(gan, torch.randn(64, 64), torch.zeros(64, 1, 1, 64)))
        terms.append(last.mean() / term.mean_length.value.square())
    assert terms[0] < 0.05 < terms[1]


def test_a_generator_that_ignores_z_has_no_path_length():
    gan = make_gan((1,), generator=dirac.Generator(), discriminator=dirac.Discriminator())
    with pytest.raises(ValueError, match=r"^the generator's samples do not depend on z, so no path has a length$"):
        PathLength().generator(context_of(gan, torch.randn(4, LATENT), torch.zeros(4, 1)))


def test_feature_matching_by_hand():
    class Features(nn.Module):
        num_features = 2

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(tensor(2.0))

        def forward(self, x, condition=None):
            return Output(x.sum(1), features=self.scale * x)

    gan = make_gan((2,), discriminator=Features(), regularizers={})
    real, fake = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[0.0, 0.0], [2.0, 2.0]]).requires_grad_()
    context = gan.generator_context(torch.zeros(2, LATENT), Batch(real, None), fake)
    found = FeatureMatching().generator(context)
    assert found.item() == pytest.approx(((4 - 2) ** 2 + (6 - 2) ** 2) / 2)
    (slope,) = torch.autograd.grad(found, fake)
    torch.testing.assert_close(slope, tensor([[-2.0, -4.0], [-2.0, -4.0]]))  # 2 · difference · scale / (features · N)


def test_inner_maps_are_matched_where_d_returns_them():
    class Maps(nn.Module):
        def forward(self, x, condition=None):
            return Output(x.sum(1), maps=(x, 2 * x))

    gan = make_gan((2,), discriminator=Maps(), regularizers={})
    context = gan.generator_context(torch.zeros(1, LATENT), Batch(tensor([[1.0, 1.0]]), None), tensor([[0.0, 1.0]]))
    assert FeatureMatching().generator(context).item() == pytest.approx((0.5 + 2.0) / 2)


def test_an_auxiliary_classifier_by_hand():
    term = AuxiliaryClassifier(num_classes=3)
    gan = make_gan(num_classes=3, regularizers={"aux": term})
    classes, real = tensor([0, 1, 2, 1]), torch.randn(4, 1, 4, 4)
    batch = Batch(real, classes)
    fake = gan.generator(torch.randn(4, LATENT), classes)
    context = gan.discriminator_context(torch.zeros(4, LATENT), batch, fake, {})
    expected = [
        cross_entropy(term.head(gan.discriminator(x, classes).features), classes, reduction="none") for x in (real, fake)
    ]
    torch.testing.assert_close(term.discriminator(context), sum(expected))
    torch.testing.assert_close(term.generator(context), expected[1])


def test_an_auxiliary_classifier_of_attributes_by_hand():
    term = AuxiliaryClassifier(num_classes=(3, 2))
    gan = make_gan(regularizers={"aux": term})
    attributes = tensor([[0, 1], [2, 0], [1, 1]])
    context = context_of(gan, torch.randn(3, LATENT), torch.randn(3, 1, 4, 4), attributes)
    read = term.head(context.fake_output.features)
    expected = -read[:, :3].log_softmax(1)[range(3), attributes[:, 0]]
    expected = expected - read[:, 3:].log_softmax(1)[range(3), attributes[:, 1]]
    torch.testing.assert_close(term.generator(context), expected)


def test_codes_are_read_by_hand():
    term = Info(num_categories=3, num_continuous=2)
    gan = make_gan(regularizers={"info": term}, prior=CodedGaussian(3, 2))
    z = gan.prior.sample(5, LATENT, torch.device("cpu"))
    context = context_of(gan, z, torch.randn(5, 1, 4, 4))
    read = term.head(context.fake_output.features)
    expected = cross_entropy(read[:, :3], z[:, :3].argmax(1), reduction="none") + (z[:, 3:5] - read[:, 3:]).square().sum(1) / 2
    torch.testing.assert_close(term.generator(context), expected)


@pytest.mark.parametrize("term", [AuxiliaryClassifier(num_classes=3), Info(num_categories=3)], ids=["classes", "codes"])
def test_a_head_needs_the_features_of_each_sample(term):
    gan = make_gan(num_classes=3, packing=4, regularizers={"head": term})
    context = context_of(gan, torch.randn(8, LATENT), torch.randn(8, 1, 4, 4), torch.arange(8) % 3)
    with pytest.raises(ValueError, match=r"^4 packed samples share the features that its head reads; use gan\.packing=1$"):
        term.generator(context)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_lecams_means_are_those_of_the_updates_before(accumulate):
    gan = make_gan(regularizers={"lecam": LeCam(decay=0.5)}, accumulate_grad_batches=accumulate, d_steps_per_g_step=2)
    _, said = fit(gan, steps=3)
    lecam = gan.regularizers["lecam"]
    assert said[0]["regularizer/lecam/d"].shape == (8,)
    assert not lecam.seen
    assert {name for name in gan.state_dict() if "lecam" in name} == {
        "regularizers.lecam.real_mean.value",
        "regularizers.lecam.fake_mean.value",
    }
    whole = make_gan(regularizers={"lecam": LeCam(decay=0.5)}, d_steps_per_g_step=2)
    _, expected = fit(whole, steps=3)
    torch.testing.assert_close(lecam.real_mean.value, whole.regularizers["lecam"].real_mean.value, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(said[2]["regularizer/lecam/d"], expected[2]["regularizer/lecam/d"], rtol=1e-3, atol=1e-5)


PLAYED = {
    "auxiliary_classifier": (lambda: AuxiliaryClassifier(3), {"num_classes": 3}),
    "info": (lambda: Info(3, 2), {"prior": CodedGaussian(3, 2)}),
    "consistency": (lambda: Consistency(DiffAugment(("mirror", "translation")), balanced=True), {"packing": 2}),
}


@pytest.mark.parametrize("name", PLAYED)
def test_it_plays_and_its_head_learns(name):
    make, given = PLAYED[name]
    gan = make_gan(regularizers={name: make()}, **given)
    before = {key: value.clone() for key, value in gan.regularizers[name].named_parameters()}
    _, said = fit(gan, steps=2, num_classes=given.get("num_classes", 0))
    assert said[0][f"regularizer/{name}/d"].isfinite().all()
    assert all(not torch.equal(value, before[key]) for key, value in gan.regularizers[name].named_parameters())
