"""The classifier of the parts of a face that all kinds of faces share: one network, one head for each part.

features = relu(linear(convolutions(x))) (N, 128); logits: one linear head for each part
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gan_lightning.metric.feature.base import Feature, Reading

SIDE = 32


class FacePartsNetwork(nn.Module):
    """Classify all parts from shared features.

    `convolutions` are the layers' outputs and strides, `num_values` the number of values of each part.
    """

    def __init__(self, convolutions: Iterable[tuple[int, int]], num_values: Iterable[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        maps, side = 3, SIDE
        for outputs, stride in convolutions:
            layers += [nn.Conv2d(maps, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            maps, side = outputs, side // stride
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps * side * side, 128), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(128, num) for num in num_values)

    def forward(self, x: Tensor) -> Reading:  # (N, 3, 32, 32) in [-1, 1] -> (N, 128), (N, values) for each part
        features = self.body(x)
        return Reading(features, tuple(head(features) for head in self.heads))


class FaceParts(Feature):
    """Read colour images whose side is a multiple of 32; larger faces are average-pooled to 32×32.

    `kind` says in plural whose faces these are.
    """

    resizer = "average pooling to 32×32"

    def __init__(self, kind: str, network: FacePartsNetwork, weights: Path) -> None:
        super().__init__()
        content = weights.read_bytes()
        self.kind = kind
        self.name = f"{kind.replace(' ', '-')}-convolution-{hashlib.sha256(content).hexdigest()[:6]}"
        self.network = network
        self.network.load_state_dict(load(content))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        side = sample_shape[-1]
        if list(sample_shape) == [3, side, side] and side % SIDE == 0:
            return None
        return f"the {self.kind}' classifier reads [3,S,S], S a multiple of {SIDE}, not {list(sample_shape)}"

    def extract(self, samples: Tensor) -> Reading:
        factor = samples.shape[-1] // SIDE
        return self.network(avg_pool2d(samples, factor) if factor > 1 else samples)
