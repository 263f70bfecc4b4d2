"""A small convolutional network that classifies five parts of a drawn face, from 128 features.

features = relu(linear(convolutions(x))) (N, 128); logits: one linear head for each part

The faces are those of DiceBear's style "adventurer" (Lisa Wischofsky, CC BY 4.0), 64×64; their table says which parts each was
drawn from. The network was trained on faces of its own, shifted, blurred, noisy and blended, so that it also classifies a
generator's imperfect faces, and is uncertain about a blend of two. `scripts/train_drawn_faces_classifier.py` creates the
weights, and prints which drawings look alike at this size: those are one value, whose probability is the sum of theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gan_lightning.metric.feature.base import Feature, Reading

WEIGHTS = Path(__file__).parent / "weights" / "drawn_faces.safetensors"
SIDE = 32


def variants(prefix: str, count: int) -> tuple[str, ...]:
    """Return the names prefix01, prefix02, … that the style gives to the drawings of a part."""
    return tuple(f"{prefix}{i:02}" for i in range(1, count + 1))


PARTS: dict[str, tuple[str, ...]] = {  # column of the table → its values, sorted as text
    "hair": variants("long", 26) + variants("short", 19),
    "hairColor": (
        *("#0e0e0e", "#3eac2c", "#562306", "#592454", "#6a4e35", "#796a45", "#85c2c6"),
        *("#ab2a18", "#ac6511", "#afafaf", "#b9a05f", "#cb6820", "#dba3be", "#e5d7a3"),
    ),
    "eyes": variants("variant", 26),
    "mouth": variants("variant", 30),
    "skinColor": ("#763900", "#9e5622", "#ecad80", "#f2d3b1"),
}
ALIKE: dict[str, tuple[tuple[int, int], ...]] = {  # numbers of the variants that the network confuses in over 10 % of the faces
    "eyes": ((1, 26), (2, 25), (3, 24), (5, 11), (6, 7), (9, 10), (19, 20)),
    "mouth": ((2, 9), (3, 20), (10, 19)),
}


def groups(part: str) -> list[tuple[int, ...]]:
    """Return the indices in PARTS of each value of a part as it is read; drawings that look alike are one value."""
    pairs = [(first - 1, second - 1) for first, second in ALIKE.get(part, ())]
    alone = set(range(len(PARTS[part]))) - {i for pair in pairs for i in pair}
    return sorted([*pairs, *((i,) for i in alone)])


GROUPS = {part: groups(part) for part in PARTS}
VALUES = {part: tuple("/".join(PARTS[part][i] for i in group) for group in GROUPS[part]) for part in PARTS}


def merge(logits: Sequence[Tensor]) -> tuple[Tensor, ...]:  # (N, drawings) -> (N, values) for each part
    """Add the probabilities of the drawings that look alike."""
    return tuple(
        torch.stack([x[:, group].logsumexp(1) for group in GROUPS[part]], 1) for part, x in zip(PARTS, logits, strict=True)
    )


class Network(nn.Module):
    """Classify all drawings of all parts from shared features, with 0.4 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, out_channels, stride in ((3, 24, 1), (24, 64, 2), (64, 96, 2), (96, 32, 1)):
            convolution = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 8 * 8, 128), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(128, len(values)) for values in PARTS.values())

    def forward(self, x: Tensor) -> Reading:  # (N, 3, 32, 32) in [-1, 1] -> (N, 128), (N, drawings) for each part
        features = self.body(x)
        return Reading(features, tuple(head(features) for head in self.heads))


class DrawnFaces(Feature):
    """Read colour images whose side is a multiple of 32; larger faces are average-pooled to 32×32."""

    factors = {name: len(values) for name, values in VALUES.items()}  # noqa: RUF012 - read, never written
    resizer = "average pooling to 32×32"

    def __init__(self) -> None:
        super().__init__()
        weights = WEIGHTS.read_bytes()
        self.name = f"drawn-faces-convolution-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.network = Network()
        self.network.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        side = sample_shape[-1]
        if list(sample_shape) == [3, side, side] and side % SIDE == 0:
            return None
        return f"the drawn faces' classifier reads [3,S,S], S a multiple of {SIDE}, not {list(sample_shape)}"

    def extract(self, samples: Tensor) -> Reading:
        factor = samples.shape[-1] // SIDE
        reading = self.network(avg_pool2d(samples, factor) if factor > 1 else samples)
        return Reading(reading.features, merge(reading.logits))
