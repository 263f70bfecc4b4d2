"""Samples as one picture: images in a grid, points as a scatter plot or histogram, signals as waves and spectrograms.

A picture is a uint8 array (height, width, 3).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torchvision.utils import make_grid

MIN_SIDE = 48  # pixels; smaller images are enlarged


def render(samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
    # (N, C, H, W), (N, C, T) or (N, D) -> (height, width, 3) uint8
    """Return a picture of the samples; `real` points (M, D) are drawn behind the generated ones."""
    samples = samples.detach().float().cpu()
    if samples.dim() == 4:
        return render_grid(samples, columns)
    if samples.dim() == 3:
        return render_signals(samples)
    return render_points(samples, real)


def to_uint8(images: Tensor) -> Tensor:  # [-1, 1] (…) -> 0 … 255 (…)
    """Convert to bytes: clipped to [-1, 1], scaled and rounded."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_rgb(images: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 3, H, W)
    """Convert to three channels: one is repeated, a third of -1 is added to two, and those after the third are dropped."""
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    if images.shape[1] == 2:
        return torch.cat([images, torch.full_like(images[:, :1], -1)], 1)
    return images[:, :3]


def render_grid(images: Tensor, columns: int) -> np.ndarray:  # (N, C, H, W) -> (height, width, 3) uint8
    """Arrange the images in rows of `columns`; small images are enlarged by an integer factor."""
    factor = max(1, -(-MIN_SIDE // min(images.shape[2:])))
    enlarged = to_uint8(to_rgb(images)).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return make_grid(enlarged, nrow=columns, padding=2, pad_value=32).permute(1, 2, 0).numpy()


def render_points(points: Tensor, real: Tensor | None) -> np.ndarray:  # (N, D), (M, D) -> (height, width, 3) uint8
    """Plot the first two coordinates, or a histogram if there is only one.

    The frame of a scatter plot depends only on the real points, so that pictures of one run can be compared.
    """
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
            centre, reach = real.mean(0), 1.35 * (real - real.mean(0)).abs().amax()
            axes.set_xlim(float(centre[0] - reach), float(centre[0] + reach))
            axes.set_ylim(float(centre[1] - reach), float(centre[1] + reach))
        axes.scatter(points[:, 0], points[:, 1], s=3, color="tab:orange", alpha=0.6, label="generated")
        axes.set_aspect("equal")
    if real is not None:
        axes.legend(loc="upper right")
    return _rasterize(figure)


def render_signals(signals: Tensor, rows: int = 4) -> np.ndarray:  # (N, C, T) -> (height, width, 3) uint8
    """Plot the first channel of the first `rows` signals, each as a wave and as a spectrogram."""
    figure = _figure()
    channels = signals[:rows, 0].numpy()
    for (wave, spectrogram), signal in zip(np.atleast_2d(figure.subplots(len(channels), 2)), channels, strict=True):
        wave.plot(signal, linewidth=0.5)
        wave.set_ylim(-1.05, 1.05)
        window = max(4, min(256, len(signal) // 8))
        spectrogram.specgram(signal + 1e-9, NFFT=window, noverlap=window // 2)
        spectrogram.set_axis_off()
    return _rasterize(figure)


def save_image(image: np.ndarray, path: Path) -> None:
    """Save a picture in the format that the suffix of `path` names."""
    Image.fromarray(image).save(path)


def encode_image(image: np.ndarray, suffix: str, software: str | None = None) -> bytes:
    """Return the content of an image file with this suffix, such as .png; a PNG file also names the `software`, if given."""
    buffer, name = io.BytesIO(), Image.registered_extensions()[suffix.lower()]
    options = {}
    if software is not None and name == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", software)
    Image.fromarray(image).save(buffer, name, **options)
    return buffer.getvalue()


def to_array(image: Tensor) -> np.ndarray:  # (C, H, W) in [-1, 1] -> (H, W) or (H, W, C) uint8
    """Convert one image with all its channels (grey, RGB or RGBA); another number of channels becomes RGB."""
    if image.shape[0] not in (1, 3, 4):
        image = to_rgb(image[None])[0]
    return to_uint8(image).permute(1, 2, 0).squeeze(2).numpy()


def _figure() -> Figure:
    return Figure(figsize=(6, 6), dpi=80, layout="constrained")


def _rasterize(figure: Figure) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))
