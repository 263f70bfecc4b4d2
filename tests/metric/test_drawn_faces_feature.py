"""The drawn faces' classifier: what it reads in faces that it was not trained on, and in what is no face.

faces.png: the first 64 faces of DiceBear's style "adventurer" by Lisa Wischofsky, CC BY 4.0.
"""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

from gan_lightning.metric.feature.drawn_faces import GROUPS, PARTS, VALUES, WEIGHTS, DrawnFaces

HERE = Path(__file__).parent / "drawn_faces"
SCRIPT = Path(__file__).parents[2] / "scripts" / "train_drawn_faces_classifier.py"


@pytest.fixture(scope="module")
def feature():
    return DrawnFaces()


def sheet():  # -> (64, 64, 64, 3)
    pixels = np.asarray(Image.open(HERE / "faces.png"))
    return pixels.reshape(8, 64, 8, 64, 3).swapaxes(1, 2).reshape(64, 64, 64, 3)


@pytest.fixture(scope="module")
def known():
    """64 faces (64, 3, 64, 64) in [-1, 1], and the index of each part's value (64, parts)."""
    with (HERE / "parts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts = [[next(i for i, v in enumerate(VALUES[part]) if row[part] in v.split("/")) for part in PARTS] for row in rows]
    return torch.from_numpy(sheet()).permute(0, 3, 1, 2) / 127.5 - 1, torch.tensor(parts)


def accuracies(feature, samples, parts):
    read = zip(PARTS, feature(samples).logits, parts.T, strict=True)
    return {name: float((logits.argmax(1) == values).float().mean()) for name, logits, values in read}


def sure(logits):
    """The share of samples whose every part is read with confidence."""
    return float((torch.stack([x.softmax(1).amax(1) for x in logits]).amin(0) > 0.7).float().mean())


def test_what_it_says_of_itself(feature):
    assert feature.factors == {"hair": 45, "hairColor": 14, "eyes": 19, "mouth": 27, "skinColor": 4}
    assert all(list(values) == sorted(set(values)) for values in PARTS.values())
    assert feature.name == DrawnFaces().name
    assert feature.name.startswith("drawn-faces-convolution-")
    assert WEIGHTS.stat().st_size < 1_000_000
    assert not any(p.requires_grad for p in feature.parameters())
    assert not feature.train().training


@pytest.mark.parametrize("side", [64, 32])
def test_it_reads_every_part(feature, known, side):
    samples, parts = known
    samples = samples if side == 64 else avg_pool2d(samples, 2)
    found = accuracies(feature, samples, parts)
    assert all(found[name] >= 0.95 for name in ("hair", "skinColor"))
    assert all(share >= 0.85 for share in found.values())
    said = feature(samples)
    assert said.features.shape == (64, 128)
    assert sure(said.logits) >= 0.6


def test_it_reads_shifted_and_noisy_faces(feature, known):
    samples, parts = avg_pool2d(known[0], 2), known[1]
    noise = 0.05 * torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    for disturbed in (samples + noise, samples.roll((1, -1), (2, 3))):
        assert all(share >= 0.75 for share in accuracies(feature, disturbed, parts).values())


def test_it_is_not_sure_of_two_faces_at_once_or_of_noise(feature, known):
    samples = avg_pool2d(known[0], 2)
    noise = torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert sure(feature((samples[:32] + samples[32:]) / 2).logits) < 0.1
    assert sure(feature(noise).logits) < 0.1


def test_drawings_that_look_alike_are_one_value_whose_probabilities_add_up(feature, known):
    samples = avg_pool2d(known[0], 2)
    single, merged = feature.network(samples).logits[2].softmax(1), feature(samples).logits[2].softmax(1)
    assert (GROUPS["eyes"][0], VALUES["eyes"][:4]) == (
        (0, 25),
        ("variant01/variant26", "variant02/variant25", "variant03/variant24", "variant04"),
    )
    assert torch.allclose(merged[:, 0], single[:, 0] + single[:, 25], atol=1e-5)
    assert torch.allclose(merged[:, 3], single[:, 3], atol=1e-5)
    for part, groups in GROUPS.items():
        assert sorted(i for group in groups for i in group) == list(range(len(PARTS[part])))


def test_what_it_can_read(feature):
    assert all(feature.incompatibility((3, side, side)) is None for side in (32, 64, 128))
    for shape in ([1, 32, 32], [3, 48, 48], [3, 16, 16], [3, 32, 64], [2]):
        assert feature.incompatibility(shape) == f"the drawn faces' classifier reads [3,S,S], S a multiple of 32, not {shape}"


def test_training_again_writes_the_same_bytes(tmp_path, monkeypatch):
    """And another number of steps writes others."""
    monkeypatch.syspath_prepend(SCRIPT.parent)  # it imports another script
    spec = importlib.util.spec_from_file_location("train_drawn_faces_classifier", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path / "faces"
    folder.mkdir()
    for i, face in enumerate(sheet()[:16]):
        Image.fromarray(face).save(folder / f"{i:06}.png")
    (tmp_path / "faces.csv").write_text("".join((HERE / "parts.csv").read_text().splitlines(True)[:17]))
    monkeypatch.setattr(script, "BATCH", 8)
    written = []
    for steps in (2, 2, 3):
        monkeypatch.setattr(script, "STEPS", steps)
        out = tmp_path / "weights.safetensors"
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder), "--skip", "4", "--out", str(out)])
        script.main()
        written.append(out.read_bytes())
    assert written[0] == written[1] != written[2]
