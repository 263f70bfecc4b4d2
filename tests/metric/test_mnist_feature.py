"""MNIST's classifier as an extractor: what it reads of digits that it never saw, and of other sizes."""

from pathlib import Path

import pytest
import torch

from gan_lightning.data import mnist as data
from gan_lightning.metric.feature import mnist as module
from gan_lightning.metric.feature.mnist import MNIST

ROOT = Path(__file__).parents[3] / "shared" / "data"
needs_mnist = pytest.mark.skipif(not (ROOT / "MNIST" / "raw").is_dir(), reason="needs MNIST's files in ../shared/data")


@needs_mnist
@pytest.mark.parametrize(("side", "least"), [(28, 0.985), (16, 0.98), (32, 0.98)])
def test_it_reads_digits_that_it_never_saw(side, least):
    batch = data.MNIST(root=str(ROOT), sample_shape=(1, side, side), num_classes=10).splits.test.part(0, 1000)
    said = MNIST()(batch.real)
    assert float((said.logits[0].argmax(1) == batch.condition).float().mean()) >= least
    assert (said.features.shape, said.features.dtype) == ((1000, 64), torch.float32)


def test_it_says_what_it_can_not_read():
    feature = MNIST()
    assert all(feature.incompatibility([1, side, side]) is None for side in (8, 16, 28, 32))
    for shape in ([3, 28, 28], [1, 28, 32], [1, 4, 4], [2]):
        assert feature.incompatibility(shape) == f"MNIST's classifier reads [1,S,S], S at least 8, not {shape}"


def test_its_name_has_a_hash_of_its_weights_which_are_small():
    assert MNIST().name.startswith("mnist-")
    assert len(MNIST().name) == len("mnist-") + 6
    assert (module.WEIGHTS / "mnist.safetensors").stat().st_size < 450_000
    assert not any(p.requires_grad for p in MNIST().parameters())
