"""What a small classifier of the digits sees: 64 numbers behind its last layer, and the class it reads.

The two architectures are trained alike, on training digits alone, so that each can check what a generator learned to show the
other. Grey levels are not rounded to the 17 of the record: a generator's samples have none, and would be told from real ones
by that for ever. The classifiers learned from digits with noise of a level and more instead, and look past it.
`scripts/train_digits_classifiers.py` makes the weights. Fréchet distances on a classifier's features: Heusel et al. 2017,
section 4.
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
    """`body` (N, 1, 8, 8) -> (N, 64), then one linear layer to the ten classes."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.body = nn.Sequential(*(convolution() if architecture == "convolution" else dense()), nn.ReLU())
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (N, 1, 8, 8) in [-1, 1] -> (N, 64), (N, 10)
        features = self.body(x)
        return features, self.head(features)


def convolution() -> list[nn.Module]:
    """72 thousand parameters, with the last layer."""
    return [
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, NUM_FEATURES)),
    ]


def dense() -> list[nn.Module]:
    """58 thousand."""
    return [
        *(nn.Flatten(), nn.Linear(SIDE * SIDE, 256), nn.ReLU()),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, NUM_FEATURES)),
    ]


class Digits(Feature):
    """Grey images whose side is a multiple of 8."""

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
        return refusal(sample_shape, 1)

    def extract(self, samples: Tensor) -> Reading:  # (N, 1, S, S) in [-1, 1]
        features, logits = self.classifier(adaptive_avg_pool2d(samples, SIDE))
        return Reading(features, (logits,))


def refusal(sample_shape: Sequence[int], channels: int) -> str | None:
    """Why `channels` digits can't be read from such samples; None: they can."""
    side = sample_shape[-1]
    if list(sample_shape) == [channels, side, side] and side % SIDE == 0:
        return None
    return f"the digits' classifier reads [{channels},S,S], S a multiple of {SIDE}, not {list(sample_shape)}"
