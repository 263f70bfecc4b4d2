"""The seven factors of a cartoon face, read by a small convolutional network, and the 128 numbers that it reads them from.

features = relu(linear(convolutions(x))) (N, 128); logits: one linear head for each factor. It learned from faces of another
seed than the data set's, shifted, blurred, noisy and blended, so that it reads a generator's faces too, and is not sure of what
lies between two. `scripts/train_cartoon_faces_classifier.py` makes the weights.
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
    """0.2 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 24, 1), (24, 48, 2), (48, 96, 2), (96, 48, 2)):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48 * 4 * 4, 128), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(128, len(values)) for values in FACTORS.values())

    def forward(self, x: Tensor) -> Reading:  # (N, 3, 32, 32) in [-1, 1] -> (N, 128), (N, K) for each factor
        features = self.body(x)
        return Reading(features, tuple(head(features) for head in self.heads))


class CartoonFaces(Feature):
    """Larger faces are averaged down to 32×32, the size that it reads."""

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
        times = samples.shape[-1] // SIDE
        return self.network(avg_pool2d(samples, times) if times > 1 else samples)
