"""Weights that others trained: where they lie, and how they are read without running anything that a file may hold."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor

from gan_lightning.data.base import DataError
from gan_lightning.storage import safe_load

PART = 50  # images at a time: at 299×299 their activations are large


def state_dict(weights: str | None, url: str, feature: str) -> tuple[dict[str, Tensor], str]:
    """Plain tensors by name, and the first six hex digits of the file's SHA-256.

    The file is `weights`, or the one that torch.hub keeps or downloads. Raises DataError.
    """
    wanted = url.rpartition("/")[2]
    path = Path(weights).expanduser() if weights else Path(torch.hub.get_dir()) / "checkpoints" / wanted
    if not weights and not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            told = torch.hub.HASH_REGEX.search(wanted)
            torch.hub.download_url_to_file(url, str(path), told and told.group(1), progress=False)
        except (OSError, RuntimeError):
            raise DataError(f"feature={feature}: {url} can't be downloaded; fetch it, and give feature.weights=PATH") from None
    try:
        held = path.read_bytes()
    except OSError as error:
        why = f"{path}: {error.strerror}"
        raise DataError(f"feature={feature}: {why}; wanted: {wanted}, given by feature.weights=PATH") from None
    try:
        found = safe_load.load(io.BytesIO(held))
        if not (isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values())):
            raise TypeError
    except Exception:  # a stranger's file may fail in any way
        raise DataError(f"feature={feature}: {path} does not hold plain tensors as {wanted} does") from None
    return found, hashlib.sha256(held).hexdigest()[:6]


def rgb(samples: Tensor) -> Tensor:  # (N, 1 to 4, H, W) in [-1, 1] -> (N, 3, H, W) uint8
    """Grey is every colour alike; a channel of transparency is left out."""
    colours = samples[:, :3] if samples.shape[1] > 2 else samples[:, :1].expand(-1, 3, -1, -1)
    return ((colours + 1) * 127.5).round().nan_to_num(0).clamp(0, 255).to(torch.uint8)


def unreadable(sample_shape: tuple[int, ...] | list[int], feature: str) -> str | None:
    """Why these samples are no images; None: they are."""
    if len(sample_shape) == 3 and 1 <= sample_shape[0] <= 4:
        return None
    return f"{feature} reads images of 1 to 4 channels, not samples of shape {list(sample_shape)}"


def marked(features: Tensor, samples: Tensor) -> Tensor:  # (N, F), (N, C, H, W) -> (N, F)
    """NaN where a sample is not finite: as an image it would look like any other."""
    return features.masked_fill(~samples.flatten(1).isfinite().all(1, keepdim=True), float("nan"))
