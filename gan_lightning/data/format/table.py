"""Rows of a table: their marginals drawn beside those of real rows, and the rows as a .csv file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.picture import rasterize
from gan_lightning.data.format.table_code import Categorical, Column, decode_rows

MOST_SHOWN = 36  # columns in a picture
BINS = 20
LISTED = 12  # rows for the text tab
COLOURS = {"real": "tab:blue", "generated": "tab:orange"}
MOST_LABELS, MOST_LETTERS = 8, 10  # of the categories below a diagram


class TableFormat(SampleFormat):
    """Draw and write rows of a table; `columns` returns their code, which is fitted to the training rows when it is needed."""

    suffix: ClassVar[str] = ".csv"
    collections: ClassVar[tuple[str, ...]] = (".csv",)
    companion: ClassVar[str] = ".csv"
    num_shown: ClassVar[int | None] = 1000
    shows_real: ClassVar[bool] = True
    reads_data: ClassVar[bool] = True

    def __init__(self, columns: Callable[[], list[Column]]) -> None:
        self.columns = columns

    def decode(self, samples: Tensor) -> np.ndarray:  # (N, C, 1 + slots) -> (N, C) float64
        """Return the numbers of each row, a category by its number."""
        return decode_rows(self.columns(), samples.detach().float().cpu().numpy())

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        """Return a diagram of each column: the shares of real rows in blue, those of the samples in orange."""
        return draw_marginals(self.columns(), self.decode(samples), None if real is None else self.decode(real))

    def encode_sample(self, sample: Tensor, software: str) -> bytes:
        return self.encode_samples(sample[None], self.suffix)

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:
        """Return a line of names, and a line for each row; a row that is not finite is left out."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns()])
        writer.writerows(self.lines(samples))
        return text.getvalue().encode()

    def text(self, samples: Tensor) -> str | None:
        """Return the first rows as a table in Markdown."""
        head = [column.name for column in self.columns()]
        lines = [head, ["---"] * len(head), *self.lines(samples[:LISTED])]
        return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)

    def lines(self, samples: Tensor) -> list[list[str]]:  # (N, C, 1 + slots)
        """Return the text of each cell of each row."""
        columns, rows = self.columns(), self.decode(samples)
        finite = rows[~np.isnan(rows).any(1)]
        return [[column.write(x) for column, x in zip(columns, row, strict=True)] for row in finite]


def draw_marginals(columns: list[Column], rows: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    # (N, C), (M, C) -> (height, width, 3) uint8
    """Return a picture with the shares of each column's values, those of the first columns if there are many."""
    shown = columns[:MOST_SHOWN]
    wide = min(len(shown), max(3, round(len(shown) ** 0.5)))
    high = -(-len(shown) // wide)
    figure = Figure(figsize=(2.6 * wide, 2.0 * high), dpi=80, layout="constrained")
    panels = np.ravel(figure.subplots(high, wide, squeeze=False))
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for i, (panel, column) in enumerate(zip(panels, shown, strict=False)):
        values = {"real": real, "generated": rows}
        draw_column(panel, column, {name: x[:, i] for name, x in values.items() if x is not None})
    panels[0].legend(fontsize=7)
    return rasterize(figure)


def draw_column(panel: Axes, column: Column, values: dict[str, np.ndarray]) -> None:  # name → (N,)
    """Draw the shares of a column's values, of each category or in BINS intervals."""
    finite = {name: x[~np.isnan(x)] for name, x in values.items()}
    together = np.concatenate(list(finite.values()))
    if isinstance(column, Categorical):
        edges = np.arange(column.slots + 1) - 0.5
        names = [name[:MOST_LETTERS] for name in column.categories[:MOST_LABELS]]
        panel.set_xticks(range(len(names)), names)
    else:
        low, high = (together.min(), together.max()) if len(together) else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for name, x in finite.items():
        weights = np.full(len(x), 1 / max(len(x), 1))
        panel.hist(x, list(edges), weights=weights, color=COLOURS[name], alpha=0.55, label=name)
    panel.set_title(column.name[:28], fontsize=9)
    panel.tick_params(labelsize=7)
