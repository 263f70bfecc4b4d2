"""Two small classifiers of MNIST's digits: the 64 features before the last layer, and the class.

Both architectures were trained in the same way on the training images, turned, scaled, blurred by a smaller size, and with
noise, so that they read other sizes and the continuous values of a generator, and each can be a control for a generator that
learned to satisfy the other. `scripts/train_mnist_classifiers.py` creates the weights. Fréchet distances on a classifier's
features: Heusel et al. 2017, section 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.digits import NUM_CLASSES, NUM_FEATURES, WEIGHTS

Architecture = Literal["convolution", "strided"]
SIDE = 28


class Classifier(nn.Module):
    """Classify ten kinds of images: `body` maps (N, 1, 28, 28) to (N, 64), `head` is one linear layer."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        layers = convolution_layers() if architecture == "convolution" else strided_layers()
        self.body = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (N, 1, 28, 28) in [-1, 1] -> (N, 64), (N, 10)
        features = self.body(x)
        return features, self.head(features)


def convolution_layers() -> list[nn.Module]:
    """Build the convolutional body: 106 thousand parameters, including the last layer's."""
    return [
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * (SIDE // 4) ** 2, NUM_FEATURES)),
    ]


def strided_layers() -> list[nn.Module]:
    """Build the body of 5×5 convolutions of stride 2, smooth where the other has ReLU: 181 thousand parameters.

    The file holds them in half precision.
    """
    return [
        *(nn.Conv2d(1, 24, 5, 2, 2), nn.SiLU(), nn.Conv2d(24, 48, 5, 2, 2), nn.SiLU()),
        *(nn.Flatten(), nn.Linear(48 * (SIDE // 4) ** 2, NUM_FEATURES)),
    ]


class MNIST(Feature):
    """Read square grey images of at least 8×8 pixels, resized to 28×28."""

    factors: Mapping[str, int] = {"digit": NUM_CLASSES}
    resizer = f"bilinear, antialiased, to {SIDE}×{SIDE}"
    option: ClassVar[str] = "mnist"  # begins the names of the weights' files
    title: ClassVar[str] = "MNIST"

    def __init__(self, architecture: Architecture = "convolution") -> None:
        super().__init__()
        weights = (WEIGHTS / f"{self.option}_{architecture}.safetensors").read_bytes()
        self.name = f"{self.option}-{architecture}-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.classifier = Classifier(architecture)
        self.classifier.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return mnist_incompatibility(sample_shape, 1, self.title)

    def extract(self, samples: Tensor) -> Reading:  # (N, 1, S, S) in [-1, 1]
        features, logits = self.classifier(resize(samples, SIDE))
        return Reading(features, (logits,))


def resize(x: Tensor, side: int) -> Tensor:  # (N, 1, S, S) -> (N, 1, side, side)
    """Return the images at another size."""
    return x if x.shape[-1] == side else interpolate(x, (side, side), mode="bilinear", antialias=True)


def mnist_incompatibility(sample_shape: Sequence[int], channels: int, title: str) -> str | None:
    """Return why the classifier of the set `title` does not read samples of this shape; None if it does."""
    side = sample_shape[-1]
    if list(sample_shape) == [channels, side, side] and side >= 8:
        return None
    return f"{title}'s classifier reads [{channels},S,S], S at least 8, not {list(sample_shape)}"
