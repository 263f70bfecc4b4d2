"""Inception v3 as it was in 2015, what the published FID, KID and Inception scores are measured with: 2048 features.

torch-fidelity's network with the original weights, which agree with TensorFlow's; its resizer belongs to the number. Szegedy
et al. 2016; Obukhov et al. 2020.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lightning.data.base import DataError
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.pretrained import PART, marked, rgb, state_dict, unreadable

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


class Inception(Feature):
    """`weights`: a file of them; without it, the one that torch.hub keeps or downloads."""

    resizer = "bilinear as in TensorFlow 1, to 299×299"
    factors = {"class": 1008}  # noqa: RUF012 - read, never written

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.weights, self.digest = weights, ""
        self.network: nn.Module | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """Known when the weights are."""
        self.load()
        return f"inception-v3-compat-{self.digest}"

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return unreadable(list(sample_shape), "feature=inception")

    def extract(self, samples: Tensor) -> Reading:  # (N, C, H, W) -> (N, 2048), (N, 1008)
        network = self.load()
        said = [network(part) for part in torch.split(rgb(samples), PART)]
        features, logits = (marked(torch.cat(parts), samples) for parts in zip(*said, strict=True))
        return Reading(features, (logits,))

    def load(self) -> nn.Module:
        """The network, read at the first call. Raises DataError."""
        if self.network is None:
            from torch_fidelity import FeatureExtractorInceptionV3

            held, self.digest = state_dict(self.weights, URL, "inception")
            plain = io.BytesIO()  # torch-fidelity unpickles what it is given: let it be what we wrote
            torch.save(held, plain)
            plain.seek(0)
            layers = ["2048", "logits_unbiased"]
            try:
                network = FeatureExtractorInceptionV3("inception-v3-compat", layers, feature_extractor_weights_path=plain)
            except RuntimeError:
                raise DataError(
                    f"feature=inception: {self.weights or 'the kept file'} holds other weights than {URL.rpartition('/')[2]}"
                ) from None
            self.network = network.to(memory_format=torch.channels_last)
        return self.network
