"""The base classes of the feature extractors: a fixed network that returns a sample's features and the factors it classifies.

A metric receives its extractor as an argument, so that Fréchet distances can be measured on features that suit the data, and
tests need no download. All metrics of a run share one extractor, which caches its result for the last batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gan_lightning.data.base import DataError
from gan_lightning.metric.feature.pretrained import image_incompatibility, load_weights
from gan_lightning.step.types import PathText


class Reading(NamedTuple):
    """Hold what an extractor returns for N samples."""

    features: Tensor  # (N, F) float32
    logits: tuple[Tensor, ...] = ()  # (N, values) for each factor, in the order of Feature.factors


class Feature(nn.Module):
    """Extract features; subclasses implement `extract` and set `name`, `resizer` and, if they classify, `factors`.

    `name` identifies everything that changes the numbers: the kind, the architecture, a hash of the weights. Both `name` and
    `resizer` are part of gan-evaluate's protocol.
    """

    name: str = ""
    resizer: str = "none"  # how samples are brought to the network's input size
    factors: Mapping[str, int] = {}  # factor → number of its values
    _last: tuple[Tensor, Reading] | None = None

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        """Return why samples of this shape can't be read, without loading anything; None if they can."""
        return None

    def extract(self, samples: Tensor) -> Reading:  # (N, *sample_shape) in the data's range
        """Return the features and logits of a batch on the network's device."""
        raise NotImplementedError

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Reading:  # (N, *sample_shape)
        """Run `extract` on the network's device and return its result on the CPU, cached for the last batch."""
        if self._last is None or self._last[0] is not samples:
            device = next((p.device for p in self.parameters()), samples.device)
            reading = self.extract(samples.to(device))
            reading = Reading(reading.features.float().cpu(), tuple(logits.float().cpu() for logits in reading.logits))
            self._last = samples, reading
        return self._last[1]

    def train(self, mode: bool = True) -> Feature:
        """Stay in evaluation mode: an extractor is never trained."""
        return super().train(False)


class PretrainedFeature(Feature):
    """Read images of any size with a published network, which is loaded at its first use.

    `weights` is the path of a weights file; None: the file that torch.hub has cached or downloads. Subclasses set `option`, the
    name of their option, `prefix`, that of their `name`, and `url`, and implement `build`.
    """

    option: ClassVar[str]
    prefix: ClassVar[str]
    url: ClassVar[str]

    def __init__(self, weights: PathText | None = None) -> None:
        super().__init__()
        self.weights, self.digest = weights, ""
        self.network: nn.Module | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return the name, which contains a hash of the weights; loads them. Raises DataError."""
        self.load()
        return f"{self.prefix}-{self.digest}"

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return image_incompatibility(list(sample_shape), f"feature={self.option}")

    def load(self) -> nn.Module:
        """Return the network, which is loaded at the first call. Raises DataError."""
        if self.network is None:
            weights, self.digest = load_weights(self.weights, self.url, self.option)
            try:
                self.network = self.build(weights)
            except RuntimeError:
                file = self.weights or "the kept file"
                raise DataError(
                    f"feature={self.option}: {file} holds other weights than {self.url.rpartition('/')[2]}"
                ) from None
        return self.network

    def build(self, weights: dict[str, Tensor]) -> nn.Module:  # name → tensor of any shape (…)
        """Return the network with these weights, in eval mode. Raises RuntimeError if they do not fit."""
        raise NotImplementedError
