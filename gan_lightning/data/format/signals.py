"""Signals (C, T): waves and spectrograms of the first ones, and one row of a .csv file each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.picture import new_figure, rasterize
from gan_lightning.data.format.rows import encode_rows


class Signals(SampleFormat):
    """Plot the first channel of the first signals over time and over frequency."""

    collections: ClassVar[tuple[str, ...]] = (".csv",)

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        return render_signals(samples.detach().float().cpu())

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:
        channels, length = samples.shape[1:]
        return encode_rows(samples, (f"c{c}_t{t}" for c in range(channels) for t in range(length)))


def render_signals(signals: Tensor, rows: int = 4) -> np.ndarray:  # (N, C, T) -> (height, width, 3) uint8
    """Plot the first channel of the first `rows` signals, each as a wave and as a spectrogram."""
    figure = new_figure()
    channels = signals[:rows, 0].numpy()
    for (wave, spectrogram), signal in zip(np.atleast_2d(figure.subplots(len(channels), 2)), channels, strict=True):
        wave.plot(signal, linewidth=0.5)
        wave.set_ylim(-1.05, 1.05)
        window = max(4, min(256, len(signal) // 8))
        spectrogram.specgram(signal + 1e-9, NFFT=window, noverlap=window // 2)
        spectrogram.set_axis_off()
    return rasterize(figure)
