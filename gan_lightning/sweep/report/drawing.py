"""The images of a report: charts of the mean ± standard deviation over seeds as SVG, thumbnails of samples as JPEG.

Both are embedded in the page, so that it is a single file.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from gan_lightning.storage.data_file import MEBIBYTE, read_data_file
from gan_lightning.sweep.report.curves import Curve

# Okabe & Ito 2008, "Color universal design"; the yellow, too light on white, and the black are replaced
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8b6fd0", "#7f9a1c")
GREY, INK = "#9a9a9a", "#010203"  # INK is replaced by the page's text colour
MAX_POINTS = 160  # of a line
MAX_GREY_LINES = 40
LOG_RATIO = 200  # greatest ÷ least value from which the y axis is logarithmic
THUMBNAIL_SIZE = 224  # pixels
MAX_PICTURE = 64 * MEBIBYTE  # of a file
MAX_PIXELS = 2**26  # decoded, four bytes each
chart_ids = count(1)


class Line(NamedTuple):
    """Hold a group's curves under one tag, one for each seed."""

    curves: Sequence[Curve]
    scale: float = 1.0  # factor of the steps, such as images per step


def mean_and_std(line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # (N,), (N,), (N,)
    """Return the scaled steps, and mean and standard deviation over the seeds there.

    The steps are those at which all seeds have a value, or if there are none, those at which any has.
    """
    steps = np.array(sorted(set.intersection(*({*c.steps.tolist()} for c in line.curves))))
    if not len(steps):
        steps = np.unique(np.concatenate([c.steps for c in line.curves]))
    if len(steps) > MAX_POINTS:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, MAX_POINTS).round().astype(int))]
    values = np.full((len(line.curves), len(steps)), np.nan)
    for row, curve in zip(values, line.curves, strict=True):
        at = np.searchsorted(curve.steps, steps)
        logged = (at < len(curve.steps)) & np.isin(steps, curve.steps)
        row[logged] = curve.values[at[logged]]
    values[~np.isfinite(values)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN has the mean NaN
        return steps * line.scale, np.nanmean(values, 0), np.nanstd(values, 0, ddof=1 if len(values) > 1 else 0)


def draw_chart(lines: Mapping[str, Line], coloured: Sequence[str], x_label: str) -> str:
    """Return an SVG of the `coloured` groups, each with its band of ± a standard deviation, over some of the others in grey."""
    with mpl.rc_context({"svg.fonttype": "none", "text.parse_math": False, "font.family": "sans-serif", "font.size": 9}):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        axes = figure.subplots()
        grey = [name for name in lines if name not in coloured]
        drawn = {name: mean_and_std(lines[name]) for name in [*grey[:MAX_GREY_LINES], *(n for n in coloured if n in lines)]}
        for name, (steps, mean, std) in drawn.items():
            colour = COLOURS[coloured.index(name)] if name in coloured else GREY
            front = name in coloured
            marker = "o" if np.isfinite(mean).sum() == 1 else None
            axes.plot(steps, mean, marker=marker, color=colour, lw=1.6 if front else 0.7, alpha=1 if front else 0.45, ms=3)
            if front and len(lines[name].curves) > 1:
                axes.fill_between(steps, mean - std, mean + std, color=colour, alpha=0.16, lw=0)
        shown = np.concatenate([mean[np.isfinite(mean)] for _, mean, _ in drawn.values()])
        if len(shown) and shown.min() > 0 and shown.max() > LOG_RATIO * shown.min():
            axes.set_yscale("log")
            axes.set_ylim(shown.min() / 1.5, shown.max() * 1.5)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(x_label)
        axes.grid(color=GREY, alpha=0.25, lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        for spine in (axes.spines["left"], axes.spines["bottom"]):
            spine.set_color(GREY)
        axes.tick_params(which="both", color=GREY, labelcolor=INK)
        axes.xaxis.label.set_color(INK)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline_svg(buffer.getvalue())


def inline_svg(svg: str) -> str:
    """Prepare an SVG for embedding: no prologue, no fixed size, the page's text colour, and ids that no other chart has."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>c{next(chart_ids)}-", svg)


def thumbnail(path: Path) -> str | None:
    """Return a small copy of a PNG file as a JPEG data URL; None if it can't be read, or is a link or of another format."""
    try:
        with Image.open(io.BytesIO(read_data_file(path, MAX_PICTURE)), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
