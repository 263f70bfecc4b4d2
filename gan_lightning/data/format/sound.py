"""Sound (1, T) at a known rate: waves over spectrograms, a .wav file each, and one .wav file of several, one after another.

Files hold 16-bit values and are written by Python's own `wave` module, so that a run on sounds made by code needs no library.
"""

from __future__ import annotations

import io
import wave
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat, Sound

CELL, WAVE, SPECTRUM, GAP = 96, 32, 64, 4  # pixels: width of a sample, heights of its wave and its spectrogram, space between
DECIBELS = (-70.0, -10.0)  # of the darkest and of the brightest colour; 0: a sine that fills [-1, 1]
PAUSE = 0.1  # seconds between two samples
NUM_HEARD = 20  # samples in the audio player


class SoundFormat(SampleFormat):
    """Draw and write mono sound at `rate` values a second."""

    suffix: ClassVar[str] = ".wav"
    collections: ClassVar[tuple[str, ...]] = (".wav",)
    companion: ClassVar[str] = ".wav"
    num_shown: ClassVar[int | None] = 40

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        waves = as_waves(samples)
        rows = -(-len(waves) // columns)
        height, width = WAVE + SPECTRUM + GAP, CELL + GAP
        picture = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
        for i, (one, spectrum) in enumerate(zip(waves, spectrograms(waves), strict=True)):
            top, left = i // columns * height + GAP, i % columns * width + GAP
            picture[top : top + WAVE, left : left + CELL] = draw_wave(one)
            picture[top + WAVE : top + WAVE + SPECTRUM, left : left + CELL] = spectrum
        return picture

    def encode_sample(self, sample: Tensor, software: str) -> bytes:
        return encode_wav(as_waves(sample.unsqueeze(0))[0], self.rate)

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:
        return encode_wav(self._joined(samples), self.rate)

    def sound(self, samples: Tensor) -> Sound:
        return Sound(self._joined(samples[:NUM_HEARD]), self.rate)

    def _joined(self, samples: Tensor) -> np.ndarray:  # (N, 1, T) -> (N · (T + pause),)
        return np.pad(as_waves(samples), ((0, 0), (0, round(PAUSE * self.rate)))).reshape(-1)


def as_waves(samples: Tensor) -> np.ndarray:  # (N, 1, T) -> (N, T) float32 in [-1, 1]
    """Return the samples as arrays; values that are not finite become silence."""
    return samples.detach()[:, 0].float().cpu().nan_to_num(0, 0, 0).clamp(-1, 1).numpy()


def encode_wav(values: np.ndarray, rate: int) -> bytes:  # (T,) in [-1, 1]
    """Return the content of a .wav file with one channel of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(values * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def draw_wave(values: np.ndarray) -> np.ndarray:  # (T,) -> (WAVE, CELL, 3) uint8
    """Return a picture of a wave: each column of pixels is filled from its smallest to its largest value."""
    edges = np.linspace(0, len(values), CELL + 1).astype(int)
    picture = np.full((WAVE, CELL, 3), 245, np.uint8)
    for x, (start, end) in enumerate(pairwise(edges)):
        part = values[start : max(end, start + 1)]
        high, low = np.rint((1 - np.array([part.max(), part.min()])) * (WAVE - 1) / 2).astype(int)
        picture[high : low + 1, x] = (31, 119, 180)
    return picture


def spectrograms(waves: np.ndarray) -> np.ndarray:  # (N, T) -> (N, SPECTRUM, CELL, 3) uint8
    """Return pictures of the spectrograms, low frequencies at the bottom, in the same colours for the same loudness."""
    from matplotlib import colormaps  # matplotlib takes long to import, and training may draw nothing

    signals = torch.from_numpy(waves)
    frame = max(4, min(256, 2 ** int(np.log2(max(signals.shape[1] // 8, 4)))))
    window = torch.hann_window(frame)
    padded = torch.nn.functional.pad(signals, (frame // 2, frame // 2))
    spectrum = torch.stft(padded, frame, frame // 4, window=window, center=False, return_complex=True).abs()
    decibels = 20 * (spectrum * (2 / window.sum())).clamp(min=1e-9).log10()
    resized = torch.nn.functional.interpolate(decibels.unsqueeze(1), (SPECTRUM, CELL), mode="bilinear")[:, 0].flip(1)
    low, high = DECIBELS
    colours = colormaps["magma"](((resized - low) / (high - low)).clamp(0, 1).numpy())
    return np.rint(colours[..., :3] * 255).astype(np.uint8)
