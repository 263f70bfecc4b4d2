"""Pictures: uint8 arrays (height, width, 3), drawn by matplotlib or by hand, and encoded as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo


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


def new_figure() -> Figure:
    """Return an empty square figure of matplotlib, which needs no display."""
    return Figure(figsize=(6, 6), dpi=80, layout="constrained")


def rasterize(figure: Figure) -> np.ndarray:  # -> (height, width, 3) uint8
    """Return the figure as a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))
