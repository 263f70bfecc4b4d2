"""A small convolutional network that classifies five parts of a drawn face, from 128 features.

The faces are those of DiceBear's style "adventurer" (Lisa Wischofsky, CC BY 4.0), 64×64; their table says which parts each was
drawn from. The network was trained on faces of its own, shifted, blurred, noisy and blended, so that it also classifies a
generator's imperfect faces, and is uncertain about a blend of two. `scripts/train_drawn_faces_classifier.py` creates the
weights, and prints which drawings look alike at this size: those are one value, whose probability is the sum of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gan_lightning.metric.feature.base import Reading
from gan_lightning.metric.feature.face_parts import FaceParts, FacePartsNetwork

WEIGHTS = Path(__file__).parent / "weights" / "drawn_faces.safetensors"


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


class Network(FacePartsNetwork):
    """Classify all drawings of all parts from shared features, with 0.4 million parameters."""

    def __init__(self) -> None:
        super().__init__(((24, 1), (64, 2), (96, 2), (32, 1)), map(len, PARTS.values()))


class DrawnFaces(FaceParts):
    """Read the five parts of drawn faces; drawings that look alike are one value."""

    factors = {name: len(values) for name, values in VALUES.items()}  # noqa: RUF012 - read, never written

    def __init__(self) -> None:
        super().__init__("drawn faces", Network(), WEIGHTS)

    def extract(self, samples: Tensor) -> Reading:
        reading = super().extract(samples)
        return Reading(reading.features, merge(reading.logits))
