"""A small convolutional network that classifies the seven factors of a cartoon face, from 128 features.

features = relu(linear(convolutions(x))) (N, 128); logits: one linear head for each factor

It was trained on faces of another seed than the data set's, shifted, blurred, noisy and blended, so that it also classifies a
generator's imperfect faces, and is uncertain about a blend of two. `scripts/train_cartoon_faces_classifier.py` creates the
weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gan_lightning.data.cartoon_face_drawing import FACTORS
from gan_lightning.metric.feature.base import Feature, Reading

WEIGHTS = Path(__file__).parent / "weights" / "cartoon_faces.safetensors"
SIDE = 32


class Network(nn.Module):
    """Classify all factors from shared features, with 0.2 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, out_channels, stride in ((3, 24, 1), (24, 48, 2), (48, 96, 2), (96, 48, 2)):
            convolution = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48 * 4 * 4, 128), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(128, len(values)) for values in FACTORS.values())

    def forward(self, x: Tensor) -> Reading:  # (N, 3, 32, 32) in [-1, 1] -> (N, 128), (N, values) for each factor
        features = self.body(x)
        return Reading(features, tuple(head(features) for head in self.heads))


class CartoonFaces(Feature):
    """Read colour images whose side is a multiple of 32; larger faces are average-pooled to 32×32."""

    factors = {name: len(values) for name, values in FACTORS.items()}  # noqa: RUF012 - read, never written
    resizer = "average pooling to 32×32"

    def __init__(self) -> None:
        super().__init__()
        weights = WEIGHTS.read_bytes()
        self.name = f"cartoon-faces-convolution-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.network = Network()
        self.network.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        side = sample_shape[-1]
        if list(sample_shape) == [3, side, side] and side % SIDE == 0:
            return None
        return f"the cartoon faces' classifier reads [3,S,S], S a multiple of {SIDE}, not {list(sample_shape)}"

    def extract(self, samples: Tensor) -> Reading:
        factor = samples.shape[-1] // SIDE
        return self.network(avg_pool2d(samples, factor) if factor > 1 else samples)
