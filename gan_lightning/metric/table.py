"""Generated rows of a table against real ones: the columns' marginals, their correlations, and what a classifier learns.

marginal_tv = mean over the columns of ½ Σ |p_b − q_b|;    marginal_tv_train: the same against all training rows

p_b and q_b are the shares of generated and of held-out rows in bin b: a category, or a tenth of the training values of a
continuous column. With few held-out rows chance alone makes it large: `floor` is that of as many real rows.

correlation_difference = mean of |r_ij − s_ij| over the pairs of two columns, r and s the correlations of generated and held-out
rows, where a column of names counts as one column of 0 and 1 for each name

accuracy_fake is the accuracy on held-out real rows of a classifier trained on generated rows, accuracy_real that of one trained
on the training rows (Esteban et al. 2017, section 4.1; Xu et al. 2019, section 5.1), and accuracy_ratio = accuracy_fake /
accuracy_real. It predicts the last column of names, or of a table without one whether the last column is above its median in
training. The classifier is scikit-learn's random forest of 50 trees.

Real rows are decoded from their matrices as generated ones are: a number farther than 4 deviations from its mode is the nearest
that its mode reaches (0.13 % of the numbers in breast_cancer and wine, fewer in iris and diabetes).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.format.table_code import Categorical, Column, decode_rows
from gan_lightning.data.stream import Source
from gan_lightning.data.table import Table
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference

BINS = 10  # of a continuous column
MAX_FIT_ROWS, NUM_TREES = 10_000, 50


class TableMetric(GenerativeMetric):
    """Compare rows by marginals, correlations and a classifier; a row that is not finite is in no bin, and not fitted to."""

    maximize: ClassVar[dict[str, bool]] = {
        "marginal_tv": False,
        "marginal_tv_train": False,
        "correlation_difference": False,
        "accuracy_fake": True,
        "accuracy_ratio": True,
    }
    nonzero_floor: ClassVar[tuple[str, ...]] = tuple(maximize)
    uses_train_split: ClassVar[bool] = True
    rows: list[Tensor]  # (n, C) each

    def __init__(self, num_samples: NumSamples = 5000) -> None:
        super().__init__(num_samples)
        self.columns: list[Column] = []
        self.train_rows, self.reference = np.empty((0, 0)), np.empty((0, 0))
        self.edges: list[np.ndarray] = []
        self.accuracy_real = 0.0
        self.add_state("rows", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        return (
            None if isinstance(data, Table) else "rows are compared of a table: data=table or data=table_csv; use metric=none"
        )

    def set_reference(self, reference: Reference) -> None:
        data = reference.data
        assert isinstance(data, Table)
        self.columns = data.columns
        self.train_rows = decode_rows(self.columns, all_samples(data.splits.train))
        self.reference = decode_rows(self.columns, reference.samples().real.numpy())
        self.edges = [bin_edges(column, values) for column, values in zip(self.columns, self.train_rows.T, strict=True)]
        self.accuracy_real = self.accuracy(self.train_rows)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference), "train": len(self.train_rows)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.rows.append(torch.from_numpy(decode_rows(self.columns, samples.float().cpu().numpy())))

    def compute(self) -> dict[str, Tensor]:
        rows = dim_zero_cat(self.rows).cpu().numpy() if len(self.rows) else self.train_rows[:0]
        if not len(rows):
            raise TooFewSamplesError("table: at least 1 generated sample is needed, not 0")
        finite = rows[np.isfinite(rows).all(1)]
        accuracy = self.accuracy(finite)
        numbers = {
            "marginal_tv": self.marginal_tv(finite, len(rows), self.reference),
            "marginal_tv_train": self.marginal_tv(finite, len(rows), self.train_rows),
            "correlation_difference": self.correlation_difference(finite),
            "accuracy_fake": accuracy,
            "accuracy_ratio": accuracy / max(self.accuracy_real, 1e-9),
        }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}

    def marginal_tv(self, rows: np.ndarray, total: int, real: np.ndarray) -> float:  # (n, C), (m, C)
        """Return the mean total variation; of `total` generated rows the finite ones are given."""
        distances = []
        for i, edges in enumerate(self.edges):
            p, q = (np.histogram(x[:, i], edges)[0] / n for x, n in ((rows, total), (real, len(real))))
            distances.append(np.abs(p - q).sum() / 2 + (1 - len(rows) / total) / 2)
        return float(np.mean(distances))

    def correlation_difference(self, rows: np.ndarray) -> float:  # (n, C)
        """Return the mean absolute difference of the correlations of two columns; NaN for fewer than two rows."""
        if min(len(rows), len(self.reference)) < 2:
            return float("nan")
        (fake, own), (real, _) = (indicators(self.columns, x) for x in (rows, self.reference))
        pairs = own[:, None] < own
        return float(np.abs(correlations(fake) - correlations(real))[pairs].mean()) if pairs.any() else 0.0

    def accuracy(self, rows: np.ndarray) -> float:  # (n, C)
        """Return the accuracy on the reference rows of a classifier that is fitted to these rows; 0 without a row."""
        target = target_column(self.columns)
        order = np.lexsort(rows.T)  # an order of their own: a forest's random choices are of positions
        chosen = rows[order[np.linspace(0, len(rows) - 1, min(len(rows), MAX_FIT_ROWS)).astype(int)]] if len(rows) else rows
        if not len(chosen):
            return 0.0
        labels, real_labels = (self.labels(x[:, target]) for x in (chosen, self.reference))
        forest = RandomForestClassifier(NUM_TREES, random_state=0).fit(self.inputs(chosen, target), labels)
        return float((forest.predict(self.inputs(self.reference, target)) == real_labels).mean())

    def labels(self, values: np.ndarray) -> np.ndarray:  # (n,) -> (n,)
        """Return what the classifier predicts: the category, or whether the value is above the median in training."""
        target = target_column(self.columns)
        if isinstance(self.columns[target], Categorical):
            return values.astype(np.int64)
        return (values > np.median(self.train_rows[:, target])).astype(np.int64)

    def inputs(self, rows: np.ndarray, target: int) -> np.ndarray:  # (n, C) -> (n, I)
        """Return what the classifier reads: all other columns."""
        values, own = indicators(self.columns, rows)
        return values[:, own != target]


def all_samples(source: Source) -> np.ndarray:
    """Return all samples of a stored split."""
    return source.part(0, len(source)).real.numpy()  # type: ignore[arg-type]


def target_column(columns: list[Column]) -> int:
    """Return the position of the last column of names, or of the last column if all are continuous."""
    names = [i for i, column in enumerate(columns) if isinstance(column, Categorical)]
    return names[-1] if names else len(columns) - 1


def bin_edges(column: Column, values: np.ndarray) -> np.ndarray:  # (n,) -> (bins + 1,)
    """Return the edges of a column's bins: one for each category, or tenths of the values; the last ones are infinite."""
    if isinstance(column, Categorical):
        return np.arange(column.slots + 1) - 0.5
    inner = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.array([-np.inf, *inner, np.inf])


def indicators(columns: list[Column], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n, C) -> (n, I), (I,)
    """Return numbers for each row, a category as 0 and 1 for each name, and the column that each number belongs to."""
    parts, own = [], []
    for i, column in enumerate(columns):
        values = rows[:, i : i + 1]
        parts.append((values == np.arange(column.slots)).astype(float) if isinstance(column, Categorical) else values)
        own += [i] * parts[-1].shape[1]
    return np.concatenate(parts, 1), np.array(own)


def correlations(values: np.ndarray) -> np.ndarray:  # (n, I) -> (I, I)
    """Return Pearson's correlations; 0 for a constant."""
    centred = values - values.mean(0)
    norms = np.sqrt((centred**2).sum(0))
    unit = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-12)
    return np.asarray(unit.T @ unit)
