"""Inception v3 of 2015, on which published FID, KID and Inception scores are measured: 2048 features.

The network and the resizer are torch-fidelity's, with the original weights: its features agree with TensorFlow's, and the
resizer changes the numbers. Szegedy et al. 2016; Obukhov et al. 2020.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lightning.data.base import DataError
from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.pretrained import CHUNK_SIZE, image_incompatibility, load_weights, mask_nonfinite, rgb

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


class Inception(Feature):
    """Read images of any size; `weights` is the path of a weights file, None torch.hub's cached or downloaded one."""

    resizer = "bilinear as in TensorFlow 1, to 299×299"
    factors = {"class": 1008}  # noqa: RUF012 - read, never written

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.weights, self.digest = weights, ""
        self.network: nn.Module | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return the name, which contains a hash of the weights; loads them. Raises DataError."""
        self.load()
        return f"inception-v3-compat-{self.digest}"

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        return image_incompatibility(list(sample_shape), "feature=inception")

    def extract(self, samples: Tensor) -> Reading:  # (N, C, H, W) -> (N, 2048), (N, 1008)
        network = self.load()
        outputs = [network(chunk) for chunk in torch.split(rgb(samples), CHUNK_SIZE)]
        features, logits = (mask_nonfinite(torch.cat(chunks), samples) for chunks in zip(*outputs, strict=True))
        return Reading(features, (logits,))

    def load(self) -> nn.Module:
        """Return the network, which is loaded at the first call. Raises DataError."""
        if self.network is None:
            from torch_fidelity import FeatureExtractorInceptionV3

            weights, self.digest = load_weights(self.weights, URL, "inception")
            buffer = io.BytesIO()  # torch-fidelity unpickles its file, so it receives only tensors that were loaded safely
            torch.save(weights, buffer)
            buffer.seek(0)
            layers = ["2048", "logits_unbiased"]
            try:
                network = FeatureExtractorInceptionV3("inception-v3-compat", layers, feature_extractor_weights_path=buffer)
            except RuntimeError:
                raise DataError(
                    f"feature=inception: {self.weights or 'the kept file'} holds other weights than {URL.rpartition('/')[2]}"
                ) from None
            self.network = network.to(memory_format=torch.channels_last)
        return self.network
