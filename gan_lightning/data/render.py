"""Samples → one picture a person can read: images in a grid, points as a scatter, signals as waves and spectrograms.

Pictures are uint8 arrays (height, width, 3); `show` hands one to a logger.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

LEAST = 48  # pixels that a sample is shown with, at least


def render(samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
    """(N, C, H, W), (N, C, T) or (N, D) -> (height, width, 3); `real` points are drawn behind generated ones."""
    samples = samples.detach().float().cpu()
    if samples.dim() == 4:
        return render_grid(samples, columns)
    if samples.dim() == 3:
        return render_signals(samples)
    return render_points(samples, real)


def to_uint8(images: Tensor) -> Tensor:  # [-1, 1] -> 0 … 255
    """Rounded, what lies outside clipped."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_rgb(images: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 3, H, W)
    """Any number of channels as three: grey is repeated, two are joined by an empty third, a fourth is left out."""
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 2:
        return torch.cat([images, torch.full_like(images[:, :1], -1)], 1)
    return images[:, :3]


def render_grid(images: Tensor, columns: int) -> np.ndarray:
    """Rows of `columns` images, small ones enlarged by whole numbers."""
    times = max(1, -(-LEAST // min(images.shape[2:])))
    shown = to_uint8(to_rgb(images)).repeat_interleave(times, 2).repeat_interleave(times, 3)
    return make_grid(shown, nrow=columns, padding=2, pad_value=32).permute(1, 2, 0).numpy()


def render_points(points: Tensor, real: Tensor | None) -> np.ndarray:
    """The first two coordinates; a histogram where there is one."""
    figure = _figure()
    axes = figure.subplots()
    if points.shape[1] == 1:
        values = points[:, 0].numpy()
        values = values[np.isfinite(values)]
        low, high = min([*values, -1.5]), max([*values, 1.5])
        axes.hist(values, bins=81, range=(float(low), float(high)), color="tab:orange", label="generated")
        if real is not None:
            axes.axvline(float(real.mean()), color="tab:blue", label="real")
    else:
        if real is not None:
            axes.scatter(real[:, 0].cpu(), real[:, 1].cpu(), s=3, color="tab:blue", alpha=0.4, label="real")
            middle, reach = real.mean(0), 1.35 * (real - real.mean(0)).abs().amax()
            axes.set_xlim(float(middle[0] - reach), float(middle[0] + reach))
            axes.set_ylim(float(middle[1] - reach), float(middle[1] + reach))
        axes.scatter(points[:, 0], points[:, 1], s=3, color="tab:orange", alpha=0.6, label="generated")
        axes.set_aspect("equal")
    if real is not None:
        axes.legend(loc="upper right")
    return _drawn(figure)


def render_signals(signals: Tensor, rows: int = 4) -> np.ndarray:
    """The first channel of the first signals, as a wave and as a spectrogram."""
    figure = _figure()
    shown = signals[:rows, 0].numpy()
    for (wave, spectrogram), signal in zip(np.atleast_2d(figure.subplots(len(shown), 2)), shown, strict=True):
        wave.plot(signal, linewidth=0.5)
        wave.set_ylim(-1.05, 1.05)
        window = max(4, min(256, len(signal) // 8))
        spectrogram.specgram(signal + 1e-9, NFFT=window, noverlap=window // 2)
        spectrogram.set_axis_off()
    return _drawn(figure)


def _figure() -> Figure:
    return Figure(figsize=(6, 6), dpi=80, layout="constrained")


def _drawn(figure: Figure) -> np.ndarray:
    held = io.BytesIO()
    figure.savefig(held, format="png")
    return np.asarray(Image.open(held).convert("RGB"))


def save_image(image: np.ndarray, path: Path) -> None:
    """As PNG."""
    Image.fromarray(image).save(path)


def encode_image(image: np.ndarray, ending: str) -> bytes:
    """As a file with this ending has it, such as .png."""
    held = io.BytesIO()
    Image.fromarray(image).save(held, Image.registered_extensions()[ending.lower()])
    return held.getvalue()


def to_array(image: Tensor) -> np.ndarray:  # (C, H, W) in [-1, 1] -> (H, W) or (H, W, C) uint8
    """One image with all its channels: grey, RGB or RGBA."""
    if image.shape[0] not in (1, 3, 4):
        image = to_rgb(image[None])[0]
    return to_uint8(image).permute(1, 2, 0).squeeze(2).numpy()
