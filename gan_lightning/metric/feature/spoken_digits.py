"""A small classifier of spoken digits: the 64 features before its last layer, and the digit.

spectrogram = ln(0.01 + |STFT|), frames of 64 values every 32, Hann window; without the lowest bin and the last frame 32×64

It was trained on words of espeak-ng in six voices, at several speeds and pitches, shifted, louder and quieter, filtered and
with noise, so that it reads a generator's imperfect words, too. `scripts/train_spoken_digits_classifier.py` creates the
weights. Fréchet distances on a classifier's features: Heusel et al. 2017, section 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from safetensors.torch import load
from torch import Tensor, nn

from gan_lightning.metric.feature.base import Feature, Reading
from gan_lightning.metric.feature.digits import NUM_CLASSES, NUM_FEATURES, WEIGHTS

LENGTH, RATE = 2048, 4000  # values of a word, and values a second
FRAME, HOP, FLOOR = 64, 32, 0.01


class Classifier(nn.Module):
    """Classify ten words: `body` maps spectrograms (N, 1, 32, 64) to (N, 64), `head` is one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, 32), (32, 32)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 2 * 4, NUM_FEATURES), nn.ReLU())
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:  # (N, 1, 2048) in [-1, 1] -> (N, 64), (N, 10)
        features = self.body(spectrogram(waves))
        return features, self.head(features)


def spectrogram(waves: Tensor) -> Tensor:  # (N, 1, 2048) -> (N, 1, 32, 64)
    """Return the logarithm of the amplitudes, from low to high frequencies."""
    window = torch.hann_window(FRAME, device=waves.device)
    amplitude = torch.stft(waves[:, 0], FRAME, HOP, window=window, return_complex=True).abs()
    return (FLOOR + amplitude[:, 1:, :-1]).log().unsqueeze(1)


class SpokenDigits(Feature):
    """Read mono waves of 2048 values at 4000 Hz."""

    factors = {"digit": NUM_CLASSES}  # noqa: RUF012 - read, never written

    def __init__(self) -> None:
        super().__init__()
        weights = (WEIGHTS / "spoken_digits.safetensors").read_bytes()
        self.name = f"spoken-digits-{hashlib.sha256(weights).hexdigest()[:6]}"
        self.classifier = Classifier()
        self.classifier.load_state_dict(load(weights))
        self.requires_grad_(False).eval()

    def incompatibility(self, sample_shape: Sequence[int]) -> str | None:
        if list(sample_shape) == [1, LENGTH]:
            return None
        return f"the classifier of spoken digits reads [1,{LENGTH}] at {RATE} Hz, not {list(sample_shape)}"

    def extract(self, samples: Tensor) -> Reading:  # (N, 1, 2048) in [-1, 1]
        features, logits = self.classifier(samples.clamp(-1, 1))
        return Reading(features, (logits,))
