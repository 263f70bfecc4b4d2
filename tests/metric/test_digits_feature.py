"""The digits' classifiers as extractors: what they read of digits that they never saw, and of other sizes."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import adaptive_avg_pool2d

from gan_lightning.data.digits import Digits as Data
from gan_lightning.metric.feature import digits as module
from gan_lightning.metric.feature.digits import Digits
from gan_lightning.metric.feature.stacked_digits import StackedDigits

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_digits_classifiers.py"
both = pytest.mark.parametrize("architecture", ["convolution", "dense"])


def held_out(side=8):
    return Data(sample_shape=(1, side, side), num_classes=10).splits.test.part(0, 300)


def accuracy(said, labels, factor=0):
    return float((said.logits[factor].argmax(1) == labels).float().mean())


@both
@pytest.mark.parametrize(("side", "least"), [(8, 0.995), (16, 0.99), (32, 0.99)])
def test_it_reads_digits_that_it_never_saw(architecture, side, least):
    batch = held_out(side)
    said = Digits(architecture)(batch.real)
    assert accuracy(said, batch.condition) >= least
    assert (said.features.shape, said.features.dtype) == ((300, 64), torch.float32)


@both
def test_features_have_unit_variance_on_training_digits(architecture):
    real = Data(sample_shape=(1, 8, 8), num_classes=10).splits.train.part(0, 1198).real
    assert float(Digits(architecture)(real).features.var(0).mean()) == pytest.approx(1, abs=1e-4)


@both
def test_it_looks_past_the_missing_grey_levels(architecture):
    """Half a level of noise moves features less than a hundredth of what separates two digits."""
    feature, real = Digits(architecture), held_out().real
    torch.manual_seed(0)
    spread = (real + (torch.rand_like(real) - 0.5) / 8).clamp(-1, 1)
    plain, unrounded = feature(real).features, feature(spread).features
    among = torch.pdist(plain).square().mean()
    assert (plain - unrounded).square().sum(1).mean() < among / 100


@pytest.mark.parametrize("side", [16, 32])
def test_larger_images_are_pooled(side):
    feature, real = Digits(), held_out(side).real
    torch.testing.assert_close(feature(real).features, feature(adaptive_avg_pool2d(real, 8)).features)
    assert feature.resizer == "average pooling to 8×8"


def test_the_name_tells_weights_and_architectures_apart(tmp_path, monkeypatch):
    names = [Digits("convolution").name, Digits("dense").name]
    monkeypatch.setattr(module, "WEIGHTS", tmp_path)
    weights = load_file(Path(module.__file__).parent / "weights" / "digits_convolution.safetensors")
    save_file(weights | {"head.bias": weights["head.bias"] + 1e-3}, tmp_path / "digits_convolution.safetensors")
    names.append(Digits("convolution").name)
    assert len(set(names)) == 3
    assert [name.rpartition("-")[0] for name in names] == ["digits-convolution", "digits-dense", "digits-convolution"]
    assert len(names[0].rpartition("-")[2]) == 6


def test_the_weights_are_small():
    assert all(path.stat().st_size < 300_000 for path in module.WEIGHTS.glob("digits_*.safetensors"))


@pytest.mark.parametrize(("cls", "channels"), [(Digits, 1), (StackedDigits, 3)])
def test_it_says_what_it_can_not_read(cls, channels):
    feature = cls()
    assert all(feature.incompatibility([channels, side, side]) is None for side in (8, 16, 32, 64))
    for shape in ([channels, 28, 28], [channels, 8, 16], [4 - channels, 8, 8], [2], [8, 8]):
        said = f"the digits' classifier reads [{channels},S,S], S a multiple of 8, not {shape}"
        assert feature.incompatibility(shape) == said


def test_it_never_trains_and_asks_for_no_gradient():
    feature = Digits().train()
    assert not feature.training
    assert not any(p.requires_grad for p in feature.parameters())


def test_what_was_asked_last_is_not_asked_again(monkeypatch):
    feature, real = Digits(), held_out().real
    said = feature(real)
    monkeypatch.setattr(feature, "extract", None)
    assert feature(real) is said


def test_three_channels_are_three_digits():
    batch = held_out()
    rgb = batch.real.view(100, 3, 8, 8)
    stacked, plain = StackedDigits(), Digits()
    said, expected = stacked(rgb), plain(batch.real)
    torch.testing.assert_close(said.features, expected.features.view(100, 192), rtol=0, atol=1e-5)
    for channel, logits in enumerate(said.logits):
        torch.testing.assert_close(logits, expected.logits[0][channel::3], rtol=0, atol=1e-5)
    assert stacked.factors == {"red": 10, "green": 10, "blue": 10}
    assert stacked.name == f"stacked-{plain.name}"


@both
def test_what_is_no_image_is_read_as_something(architecture):
    said = Digits(architecture)(torch.full((2, 1, 8, 8), float("nan")))
    assert said.features.shape == (2, 64)


def test_training_again_writes_the_same_bytes(tmp_path, monkeypatch):
    """And another seed writes others."""
    spec = importlib.util.spec_from_file_location("train_digits_classifiers", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = []
    for folder, seed in (("one", 0), ("two", 0), ("three", 1)):
        monkeypatch.setattr("sys.argv", ["script", "--steps", "3", "--folder", str(tmp_path / folder), "--seed", str(seed)])
        try:
            script.main()
        finally:
            torch.use_deterministic_algorithms(False)
        written.append([path.read_bytes() for path in sorted((tmp_path / folder).glob("*"))])
    assert len(written[0]) == 2
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))
