"""The classifiers of MNIST and Fashion-MNIST as extractors: what they read of unseen images, and of other sizes."""

from pathlib import Path

import pytest
import torch

from gan_lightning.data import fashion_mnist as fashion_data
from gan_lightning.data import mnist as data
from gan_lightning.metric.feature import mnist as module
from gan_lightning.metric.feature.fashion_mnist import FashionMNIST
from gan_lightning.metric.feature.mnist import MNIST
from gan_lightning.metric.feature.stacked_mnist import StackedMNIST

ROOT = Path(__file__).parents[3] / "shared" / "data"
FASHION = Path("/usr/share/datasets/fashion-mnist")
needs_mnist = pytest.mark.skipif(not (ROOT / "MNIST" / "raw").is_dir(), reason="needs MNIST's files in ../shared/data")
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
BOTH = pytest.mark.parametrize("architecture", ["convolution", "strided"])


def accuracy(feature, samples, labels):
    return float((feature(samples).logits[0].argmax(1) == labels).float().mean())


@needs_mnist
@BOTH
@pytest.mark.parametrize(("side", "least"), [(28, 0.985), (16, 0.98), (32, 0.98)])
def test_it_reads_digits_that_it_never_saw(architecture, side, least):
    batch = data.MNIST(root=str(ROOT), sample_shape=(1, side, side), num_classes=10).splits.test.part(0, 1000)
    assert accuracy(MNIST(architecture), batch.real, batch.condition) >= least
    said = MNIST(architecture)(batch.real)
    assert (said.features.shape, said.features.dtype) == ((1000, 64), torch.float32)


@needs_fashion
@BOTH
def test_it_reads_clothes_that_it_never_saw_and_is_not_made_for_digits(architecture):
    batch = fashion_data.FashionMNIST(root=str(FASHION), sample_shape=(1, 28, 28), num_classes=10).splits.test.part(0, 1000)
    assert accuracy(FashionMNIST(architecture), batch.real, batch.condition) >= 0.87
    assert accuracy(MNIST(architecture), batch.real, batch.condition) < 0.3  # the negative control


@needs_mnist
def test_each_channel_of_a_stack_is_read_alone():
    digits = data.MNIST(root=str(ROOT), sample_shape=(1, 28, 28), num_classes=10).splits.test.part(0, 30)
    stacked, single = StackedMNIST()(digits.real.view(10, 3, 28, 28)), MNIST()(digits.real)
    torch.testing.assert_close(stacked.features.view(30, 64), single.features)
    torch.testing.assert_close(torch.stack(stacked.logits, 1).view(30, 10), single.logits[0])


def test_it_says_what_it_can_not_read():
    feature = MNIST()
    assert all(feature.incompatibility([1, side, side]) is None for side in (8, 16, 28, 32))
    for shape in ([3, 28, 28], [1, 28, 32], [1, 4, 4], [2]):
        assert feature.incompatibility(shape) == f"MNIST's classifier reads [1,S,S], S at least 8, not {shape}"
    assert FashionMNIST().incompatibility([2]) == "Fashion-MNIST's classifier reads [1,S,S], S at least 8, not [2]"
    assert StackedMNIST().incompatibility([3, 28, 28]) is None
    assert StackedMNIST().incompatibility([1, 28, 28]) == "MNIST's classifier reads [3,S,S], S at least 8, not [1, 28, 28]"


@BOTH
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_its_name_has_a_hash_of_its_weights_which_are_small(kind, architecture):
    feature = kind(architecture)
    assert feature.name.startswith(f"{kind.option}-{architecture}-")
    assert len(feature.name) == len(f"{kind.option}-{architecture}-") + 6
    assert (module.WEIGHTS / f"{kind.option}_{architecture}.safetensors").stat().st_size < 450_000
    assert not any(p.requires_grad for p in feature.parameters())
