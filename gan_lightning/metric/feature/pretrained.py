"""Weights published by others: found or downloaded, and loaded without executing code from the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from gan_lightning.data.base import DataError
from gan_lightning.storage import safe_load
from gan_lightning.storage.data_file import MEBIBYTE
from gan_lightning.storage.home import expand_home

MAX_BYTES = 4096 * MEBIBYTE
CHUNK_SIZE = 50  # images per forward pass: at 299×299 their activations are large


def load_weights(weights: str | None, url: str, feature: str) -> tuple[dict[str, Tensor], str]:  # name -> (*shape,)
    """Return a file's tensors by name, and the first six hex digits of its SHA-256.

    The file is `weights`, or torch.hub's cached or downloaded copy of `url`. Raises DataError.
    """
    filename = url.rpartition("/")[2]
    path = expand_home(weights) if weights else Path(torch.hub.get_dir()) / "checkpoints" / filename
    if not weights and not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            match = torch.hub.HASH_REGEX.search(filename)
            torch.hub.download_url_to_file(url, str(path), match and match.group(1), progress=False)
        except (OSError, RuntimeError):
            raise DataError(f"feature={feature}: {url} can't be downloaded; fetch it, and give feature.weights=PATH") from None
    try:
        tensors = safe_load.load(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        why = f"{path}: {error.strerror}"
        raise DataError(f"feature={feature}: {why}; wanted: {filename}, given by feature.weights=PATH") from None
    except safe_load.UnsafeFileError:
        tensors = None
    if not (isinstance(tensors, dict) and all(isinstance(value, Tensor) for value in tensors.values())):
        raise DataError(f"feature={feature}: {path} does not hold plain tensors as {filename} does")
    return tensors, digest[:6]


def rgb(samples: Tensor) -> Tensor:  # (N, 1 to 4, H, W) in [-1, 1] -> (N, 3, H, W) uint8
    """Convert to 8-bit colour images: grey is repeated in all three channels, and an alpha channel is dropped."""
    colours = samples[:, :3] if samples.shape[1] > 2 else samples[:, :1].expand(-1, 3, -1, -1)
    return ((colours + 1) * 127.5).round().nan_to_num(0).clamp(0, 255).to(torch.uint8)


def image_incompatibility(sample_shape: tuple[int, ...] | list[int], feature: str) -> str | None:
    """Return why samples of this shape are not images; None if they are."""
    if len(sample_shape) == 3 and 1 <= sample_shape[0] <= 4:
        return None
    return f"{feature} reads images of 1 to 4 channels, not samples of shape {list(sample_shape)}"


def mask_nonfinite(features: Tensor, samples: Tensor) -> Tensor:  # (N, F), (N, C, H, W) -> (N, F)
    """Return the features with NaN for each sample that is not finite, which `rgb` turns into a valid image."""
    return features.masked_fill(~samples.flatten(1).isfinite().all(1, keepdim=True), float("nan"))
