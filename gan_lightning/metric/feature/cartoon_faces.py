"""A small convolutional network that classifies the seven factors of a cartoon face, from 128 features.

It was trained on faces of another seed than the data set's, shifted, blurred, noisy and blended, so that it also classifies a
generator's imperfect faces, and is uncertain about a blend of two. `scripts/train_cartoon_faces_classifier.py` creates the
weights.
"""

from __future__ import annotations

from pathlib import Path

from gan_lightning.data.cartoon_face_drawing import FACTORS
from gan_lightning.metric.feature.face_parts import FaceParts, FacePartsNetwork

WEIGHTS = Path(__file__).parent / "weights" / "cartoon_faces.safetensors"


class Network(FacePartsNetwork):
    """Classify all factors from shared features, with 0.2 million parameters."""

    def __init__(self) -> None:
        super().__init__(((24, 1), (48, 2), (96, 2), (48, 2)), map(len, FACTORS.values()))


class CartoonFaces(FaceParts):
    """Read the seven factors of cartoon faces."""

    factors = {name: len(values) for name, values in FACTORS.items()}  # noqa: RUF012 - read, never written

    def __init__(self) -> None:
        super().__init__("cartoon faces", Network(), WEIGHTS)
