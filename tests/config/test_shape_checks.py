"""Networks that do not fit, or whose generator draws noise in eval mode: one line before any weight is allocated."""

import pytest
import torch
from torch import nn

from gan_lightning.config import shape_checks
from gan_lightning.config.instantiate import Networks
from gan_lightning.config.shape_checks import find_shape_mistakes
from gan_lightning.data.digits import Digits
from gan_lightning.model import mlp
from gan_lightning.step.types import Output

DATA = Digits(sample_shape=(1, 8, 8), num_classes=10)


class Noisy(mlp.Generator):
    """Adds noise to each layer, in eval mode too."""

    def forward(self, z, condition=None):
        x = super().forward(z, condition)
        return x + 0.0 * torch.randn_like(x)


class NoisyInTraining(mlp.Generator):
    """Adds noise while it is trained."""

    def forward(self, z, condition=None):
        x = super().forward(z, condition)
        return x + torch.randn_like(x) if self.training else x


class Patches(nn.Module):
    """Returns logits of any shape after N."""

    def __init__(self, *inner, n=None):
        super().__init__()
        self.inner, self.n = inner, n

    def forward(self, x, condition=None):
        return Output(x.flatten(1)[: self.n, :1].expand(-1, *self.inner) if self.inner else x.flatten(1)[: self.n, 0])


class OneClass(nn.Module):
    """Looks up one class for each sample it is given."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 64)

    def forward(self, x, condition):
        return Output((self.embedding(condition) * x.flatten(1)).sum(1))


@pytest.fixture
def found(monkeypatch):
    """The mistakes of two networks, with so many samples packed for each logit."""

    def check(generator=mlp.Generator, discriminator=mlp.Discriminator, packing=1):
        def build(plain):
            d = discriminator((packing, 8, 8)) if isinstance(discriminator, type) else discriminator
            return Networks(generator(8, (1, 8, 8), width=4, depth=1), d)

        monkeypatch.setattr(shape_checks, "build_networks", build)
        monkeypatch.setattr(shape_checks, "find_size_mistakes", lambda *_: [])
        gan = {"latent_dim": 8, "packing": packing, "accumulate_grad_batches": 1}
        data = {"sample_shape": [1, 8, 8], "batch_size": 6, "num_classes": 10}
        return find_shape_mistakes({"gan": gan, "data": data, "optimizer": {}}, DATA)

    return check


def test_noise_in_eval_mode_is_refused(found):
    (line,) = found(Noisy)
    assert line.startswith("model.generator: draws random numbers in eval mode (randn_like); in eval mode let each sample")
    assert found(NoisyInTraining) == found() == []


def test_a_discriminator_may_have_several_logits(found):
    assert found(discriminator=Patches(3)) == found(discriminator=Patches()) == []
    assert found(discriminator=Patches(3), packing=2) == []
    wrong = "model.discriminator: its logits have shape"
    assert found(discriminator=Patches(n=4)) == [f"{wrong} [4] for 6 samples, not [6] or [6, K]"]
    assert found(discriminator=Patches(2, n=4)) == [f"{wrong} [4, 2] for 6 samples, not [6] or [6, K]"]


def test_packing_is_refused_where_d_can_not_use_the_conditions(found):
    (line,) = found(discriminator=OneClass(), packing=2)
    assert line.startswith("gan.packing: 2 samples share a logit, but D can't use the condition of each: ")
    assert found(packing=2) == []
