"""A small classifier of MNIST's digits: the 64 features before its last layer, and the class.

It was trained on the 60,000 training images, turned, scaled, blurred by a smaller size, and with noise, so that it reads other
sizes and the continuous values of a generator. `scripts/train_mnist_classifier.py` creates the weights. Fréchet distances on a
classifier's features: Heusel et al. 2017, section 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.digits import NUM_CLASSES, NUM_FEATURES, WEIGHTS

SIDE = 28


class Classifier(nn.Module):
    """Classify ten digits: `body` maps (N, 1, 28, 28) to (N, 64), `head` is one linear layer; 106 thousand parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32 * (SIDE // 4) ** 2, NUM_FEATURES), nn.ReLU()),
        )
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (N, 1, 28, 28) in [-1, 1] -> (N, 64), (N, 10)
        features = self.body(x)
        return features, self.head(features)


class MNIST(Feature):
    """Read square grey images of at least 8×8 pixels, resized to 28×28."""

    factors = {"digit": NUM_CLASSES}  # noqa: RUF012 - read, never written
    resizer = f"bilinear, antialiased, to {SIDE}×{SIDE}"

    def __init__(self) -> None:
        super().__init__()
        weights = (WEIGHTS / "mnist.safetensors").read_bytes()
        self.name = f"mnist-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.classifier = Classifier()
        self.classifier.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        side = sample_shape[-1]
        if list(sample_shape) == [1, side, side] and side >= 8:
            return None
        return f"MNIST's classifier reads [1,S,S], S at least 8, not {list(sample_shape)}"

    def extract(self, samples: Tensor) -> Reading:  # (N, 1, S, S) in [-1, 1]
        features, logits = self.classifier(resize(samples, SIDE))
        return Reading(features, (logits,))


def resize(x: Tensor, side: int) -> Tensor:  # (N, 1, S, S) -> (N, 1, side, side)
    """Return the images at another size."""
    return x if x.shape[-1] == side else interpolate(x, (side, side), mode="bilinear", antialias=True)
