"""A report's pictures: curves with a band over seeds as SVG, and small copies of samples as JPEG, both to stand in the page."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from gan_lightning.sweep.report.curves import Curve

# Okabe & Ito 2008, "Color universal design"; the lightest gives way to one that is seen on white
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8b6fd0", "#7f9a1c")
GREY, INK = "#9a9a9a", "#010203"  # INK becomes the page's own colour
POINTS = 160  # of a line, at most
BEHIND = 40  # lines drawn in grey, at most
WIDE = 200  # from greatest to least, where a logarithmic axis is better
THUMB = 224  # pixels


class Line(NamedTuple):
    """A group's curves under one tag, one a seed."""

    curves: Sequence[Curve]
    scale: float = 1.0  # of the steps: images a step


def mean(line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps at which all seeds have a value, or some do if there are none, mean and standard deviation there."""
    steps = np.array(sorted(set.intersection(*({*c.steps.tolist()} for c in line.curves))))
    if not len(steps):
        steps = np.unique(np.concatenate([c.steps for c in line.curves]))
    if len(steps) > POINTS:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, POINTS).round().astype(int))]
    values = np.full((len(line.curves), len(steps)), np.nan)
    for row, curve in zip(values, line.curves, strict=True):
        at = np.searchsorted(curve.steps, steps)
        there = (at < len(curve.steps)) & np.isin(steps, curve.steps)
        row[there] = curve.values[at[there]]
    values[~np.isfinite(values)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without a number
        return steps * line.scale, np.nanmean(values, 0), np.nanstd(values, 0, ddof=1 if len(values) > 1 else 0)


def chart(lines: Mapping[str, Line], coloured: Sequence[str], label: str) -> str:
    """An SVG: the coloured groups with their band, of the others some in grey. `label`: of the x axis."""
    with mpl.rc_context({"svg.fonttype": "none", "text.parse_math": False, "font.family": "sans-serif", "font.size": 9}):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        axes = figure.subplots()
        behind = [name for name in lines if name not in coloured]
        drawn = {name: mean(lines[name]) for name in [*behind[:BEHIND], *(n for n in coloured if n in lines)]}
        for name, (steps, middle, spread) in drawn.items():
            colour = COLOURS[coloured.index(name)] if name in coloured else GREY
            front = name in coloured
            dot = "o" if np.isfinite(middle).sum() == 1 else None
            axes.plot(steps, middle, marker=dot, color=colour, lw=1.6 if front else 0.7, alpha=1 if front else 0.45, ms=3)
            if front and len(lines[name].curves) > 1:
                axes.fill_between(steps, middle - spread, middle + spread, color=colour, alpha=0.16, lw=0)
        shown = np.concatenate([middle[np.isfinite(middle)] for _, middle, _ in drawn.values()])
        if len(shown) and shown.min() > 0 and shown.max() > WIDE * shown.min():
            axes.set_yscale("log")
            axes.set_ylim(shown.min() / 1.5, shown.max() * 1.5)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(label)
        axes.grid(color=GREY, alpha=0.25, lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        for part in (axes.spines["left"], axes.spines["bottom"]):
            part.set_color(GREY)
        axes.tick_params(which="both", color=GREY, labelcolor=INK)
        axes.xaxis.label.set_color(INK)
        held = io.StringIO()
        figure.savefig(held, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline_svg(held.getvalue())


count = 0


def inline_svg(svg: str) -> str:
    """Without prologue and fixed size, its names its own, its ink the page's."""
    global count  # noqa: PLW0603 - names must differ within a page
    count += 1
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>c{count}-", svg)


def thumbnail(path: Path) -> str | None:
    """A picture, smaller, as a data URL; None: it can't be read."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((THUMB, THUMB))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    held = io.BytesIO()
    small.save(held, "JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()
