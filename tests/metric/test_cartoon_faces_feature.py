"""What the cartoon faces' classifier reads in faces that it never saw, and in what is no face."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lightning.data.cartoon_face_drawing import FACTORS, draw_face, sample_face
from gan_lightning.metric.feature.cartoon_faces import WEIGHTS, CartoonFaces

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_cartoon_faces_classifier.py"
SEED = 77  # neither a data set's nor the classifier's


def drawn(side, count):
    ones = [sample_face(SEED, i) for i in range(count)]
    images = np.stack([np.asarray(draw_face(one, side)) for one in ones])
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1, torch.tensor([one.factors for one in ones])


@pytest.fixture(scope="module")
def feature():
    return CartoonFaces()


@pytest.fixture(scope="module")
def known():
    return drawn(32, 1000)


def sure(logits):
    """The least probability that any factor's most likely value has."""
    return torch.stack([one.softmax(1).amax(1) for one in logits]).amin(0)


def test_what_it_says_of_itself(feature):
    assert feature.factors == {"hair": 6, "style": 3, "eyes": 3, "mouth": 3, "skin": 3, "pose": 3, "background": 3}
    assert feature.name.startswith("cartoon-faces-convolution-")
    assert feature.name == CartoonFaces().name
    assert feature.resizer == "average pooling to 32×32"
    assert WEIGHTS.stat().st_size < 500_000


def test_it_reads_every_factor(feature, known):
    samples, factors = known
    said = feature(samples)
    assert said.features.shape == (1000, 128)
    assert [logits.shape[1] for logits in said.logits] == [len(values) for values in FACTORS.values()]
    for k, name in enumerate(FACTORS):
        assert (said.logits[k].argmax(1) == factors[:, k]).float().mean() >= 0.99, name
    assert (sure(said.logits) > 0.7).float().mean() >= 0.95


@pytest.mark.parametrize("side", [64, 128])
def test_it_reads_larger_faces(feature, side):
    samples, factors = drawn(side, 100)
    for k, logits in enumerate(feature(samples).logits):
        assert (logits.argmax(1) == factors[:, k]).float().mean() >= 0.97


def test_it_bears_noise_and_shifts(feature, known):
    samples, factors = known[0][:300], known[1][:300]
    noise = 0.1 * torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    for disturbed in (samples + noise, samples.roll((1, -1), (2, 3))):
        for k, logits in enumerate(feature(disturbed).logits):
            assert (logits.argmax(1) == factors[:, k]).float().mean() >= 0.95


def test_it_is_not_sure_of_what_lies_between_two_faces(feature, known):
    samples = known[0]
    assert (sure(feature((samples[:500] + samples[500:]) / 2).logits) > 0.7).float().mean() < 0.1


def test_it_is_not_sure_of_noise(feature):
    noise = torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert (sure(feature(noise).logits) > 0.7).float().mean() < 0.1


def test_it_never_trains(feature):
    assert not feature.train().training
    assert not any(module.training for module in feature.modules())
    assert not any(p.requires_grad for p in feature.parameters())


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 64, 64), (3, 128, 128)])
def test_what_it_can_read(feature, shape):
    assert feature.incompatibility(shape) is None


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 48, 48), (3, 16, 16), (3, 32, 64), (2,)])
def test_what_it_can_not_read(feature, shape):
    assert (
        feature.incompatibility(shape) == f"the cartoon faces' classifier reads [3,S,S], S a multiple of 32, not {list(shape)}"
    )


def test_training_again_writes_the_same_bytes(tmp_path, monkeypatch):
    """And other faces write others."""
    spec = importlib.util.spec_from_file_location("train_cartoon_faces_classifier", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, value in {"FACES": 40, "HELD_OUT": 10, "BATCH": 8, "STEPS": 3}.items():
        monkeypatch.setattr(script, name, value)
    written = []
    for seed in (5, 5, 6):
        monkeypatch.setattr(script, "TRAIN_SEED", seed)
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--out", str(tmp_path / "weights.safetensors")])
        script.main()
        written.append((tmp_path / "weights.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_the_features_have_unit_variance(feature, known):
    assert float(feature(known[0]).features.var(0).mean()) == pytest.approx(1, abs=0.1)
