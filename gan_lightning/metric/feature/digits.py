"""A small classifier of digits: the 64 features before its last layer, and the class.

The two architectures are trained in the same way and on training digits only, so that each can be a control for a generator
that learned to satisfy the other. The data set has only 17 grey levels. Samples are not rounded to them; instead the
classifiers were trained with noise of at least one level, because otherwise the features would always separate a generator's
continuous values from real ones. `scripts/train_digits_classifiers.py` creates the weights. Fréchet distances on a classifier's
features: Heusel et al. 2017, section 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from gan_lightning.metric.feature.base import Feature, Reading

Architecture = Literal["convolution", "dense"]
SIDE, NUM_FEATURES, NUM_CLASSES = 8, 64, 10
RESIZER = f"average pooling to {SIDE}×{SIDE}"
WEIGHTS = Path(__file__).parent / "weights"


class Classifier(nn.Module):
    """Classify ten digits: `body` maps (N, 1, 8, 8) to (N, 64), `head` is one linear layer."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        layers = convolution_layers() if architecture == "convolution" else dense_layers()
        self.body = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (N, 1, 8, 8) in [-1, 1] -> (N, 64), (N, 10)
        features = self.body(x)
        return features, self.head(features)


def convolution_layers() -> list[nn.Module]:
    """Build the convolutional body: 72 thousand parameters, including the last layer's."""
    return [
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, NUM_FEATURES)),
    ]


def dense_layers() -> list[nn.Module]:
    """Build the dense body: 58 thousand parameters, including the last layer's."""
    return [
        *(nn.Flatten(), nn.Linear(SIDE * SIDE, 256), nn.ReLU()),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, NUM_FEATURES)),
    ]


class Digits(Feature):
    """Read grey images whose side is a multiple of 8."""

    factors = {"digit": NUM_CLASSES}  # noqa: RUF012 - read, never written
    resizer = RESIZER

    def __init__(self, architecture: Architecture = "convolution") -> None:
        super().__init__()
        weights = (WEIGHTS / f"digits_{architecture}.safetensors").read_bytes()
        self.name = f"digits-{architecture}-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.classifier = Classifier(architecture)
        self.classifier.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return digits_incompatibility(sample_shape, 1)

    def extract(self, samples: Tensor) -> Reading:  # (N, 1, S, S) in [-1, 1]
        features, logits = self.classifier(adaptive_avg_pool2d(samples, SIDE))
        return Reading(features, (logits,))


def digits_incompatibility(sample_shape: Sequence[int], channels: int) -> str | None:
    """Return why samples of this shape are not digits in `channels` channels; None if they are."""
    side = sample_shape[-1]
    if list(sample_shape) == [channels, side, side] and side % SIDE == 0:
        return None
    return f"the digits' classifier reads [{channels},S,S], S a multiple of {SIDE}, not {list(sample_shape)}"
