"""Points (D,): a scatter plot of the first two coordinates or a histogram, and one row of a .csv file each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.picture import new_figure, rasterize
from gan_lightning.data.format.rows import encode_rows


class Points(SampleFormat):
    """Plot points over real ones."""

    collections: ClassVar[tuple[str, ...]] = (".csv",)
    num_shown: ClassVar[int | None] = 2500
    shows_real: ClassVar[bool] = True

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        return render_points(samples.detach().float().cpu(), real)

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:
        return encode_rows(samples, (f"x{i}" for i in range(samples.shape[1])))


def render_points(points: Tensor, real: Tensor | None) -> np.ndarray:  # (N, D), (M, D) -> (height, width, 3) uint8
    """Plot the first two coordinates, or a histogram if there is only one.

    The frame of a scatter plot depends only on the real points, so that pictures of one run can be compared.
    """
    figure = new_figure()
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
    return rasterize(figure)
