"""Inception v3 of 2015, on which published FID, KID and Inception scores are measured: 2048 features.

The network and the resizer are torch-fidelity's, with the original weights: its features agree with TensorFlow's, and the
resizer changes the numbers. Szegedy et al. 2016; Obukhov et al. 2020.
"""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn

from gan_lightning.metric.feature.base import PretrainedFeature, Reading
from gan_lightning.metric.feature.pretrained import CHUNK_SIZE, mask_nonfinite, rgb

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


class Inception(PretrainedFeature):
    """Extract Inception's 2048 features and its 1008 logits."""

    option = "inception"
    prefix = "inception-v3-compat"
    url = URL
    resizer = "bilinear as in TensorFlow 1, to 299×299"
    factors = {"class": 1008}  # noqa: RUF012 - read, never written

    def extract(self, samples: Tensor) -> Reading:  # (N, C, H, W) -> (N, 2048), (N, 1008)
        network = self.load()
        outputs = [network(chunk) for chunk in torch.split(rgb(samples), CHUNK_SIZE)]
        features, logits = (mask_nonfinite(torch.cat(chunks), samples) for chunks in zip(*outputs, strict=True))
        return Reading(features, (logits,))

    def build(self, weights: dict[str, Tensor]) -> nn.Module:
        from torch_fidelity import FeatureExtractorInceptionV3

        buffer = io.BytesIO()  # torch-fidelity unpickles its file, so it receives only tensors that were loaded safely
        torch.save(weights, buffer)
        buffer.seek(0)
        layers = ["2048", "logits_unbiased"]
        network = FeatureExtractorInceptionV3("inception-v3-compat", layers, feature_extractor_weights_path=buffer)
        return network.to(memory_format=torch.channels_last)
