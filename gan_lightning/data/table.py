"""Tables with continuous and categorical columns, coded for a GAN: the value within a mode, and the choice of the mode.

The modes of a continuous column are those of a mixture of Gaussians, fitted to the training rows with a Dirichlet process as
prior, which leaves modes without weight where fewer are enough (Xu et al. 2019, section 4.2). A row's mode is drawn from its
posterior probabilities, so that the values within each mode are Gaussian and not cut off. The code: `format/table_code`.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from gan_lightning.data.base import Data, DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.format.table_code import Categorical, Column, Continuous, encode_rows
from gan_lightning.data.notices import abbreviate
from gan_lightning.data.split import split_by_name
from gan_lightning.data.store import Store

if TYPE_CHECKING:
    from gan_lightning.data.format.table import TableFormat

MIN_WEIGHT = 0.01  # of a mode that is kept
MIN_DEVIATION = 1e-3  # of a mode, in standard deviations of the column
PRIOR = 0.01  # of the variances and the precisions of means; the defaults, 1, widen narrow modes
DIGITS = 6  # of a column's deviation that are kept: about those of a float32
MOST = 3e38  # absolute value of a number: float32's largest
FIT_ROWS = 10_000  # that a mixture is fitted to
Modes = Annotated[int, Field(ge=1, le=64)]


class RawTable(NamedTuple):
    """Hold a table as text."""

    names: list[str]
    rows: list[list[str]]  # each with as many cells as there are names
    categorical: frozenset[str]  # columns whose numbers are names


class Table(Data):
    """Load rows as matrices (columns, 1 + slots), with at most `modes` modes for each continuous column.

    A column is categorical if the table says so, or if a cell is no number. A row's split is a function of its text, so that
    equal rows are in the same split. Subclasses override `read`.
    """

    def __init__(self, modes: Modes = 5, validation: Share = 0.15, test: Share = 0.15, **shared: Any) -> None:
        super().__init__(**shared)
        self.modes, self.validation, self.test = modes, validation, test

    @abstractmethod
    def read(self) -> RawTable:
        """Return the table. Raises DataError."""

    @property
    def sample_format(self) -> TableFormat:
        """Return the format of the rows; the columns' code is fitted when it is first needed."""
        from gan_lightning.data.format.table import TableFormat

        return TableFormat(lambda: self.columns)

    @cached_property
    def table(self) -> RawTable:
        """Return the table, whose categories have room in `sample_shape`. Raises DataError."""
        require_training_share(self.validation, self.test)
        if self.num_classes:
            raise DataError(f"data.num_classes: the rows are unlabelled, 0, not {self.num_classes}")
        table = self.read()
        categories = {
            name: len(set(cells)) for name, cells in cells_by_column(table).items() if is_categorical(table, name, cells)
        }
        most = max(categories.values(), default=0)
        slots = max(most, self.modes if len(categories) < len(table.names) else 0)
        if self.sample_shape != (len(table.names), 1 + slots):
            widest = [name for name, n in categories.items() if n == most]
            why = f"{most} categories in {abbreviate(widest, 2)}" if most >= self.modes else f"data.modes={self.modes}"
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)} is no shape of this table's rows: {len(table.names)} columns, a "
                f"value and {slots} slots ({why}); set data.sample_shape=[{len(table.names)},{1 + slots}]"
            )
        return table

    @cached_property
    def indices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # each (n,)
        """Return the rows of train, validation and test. Raises DataError if none are left for training."""
        names = [",".join(row) for row in self.table.rows]
        indices = split_by_name(names, self.validation, self.test)
        if len(indices[0]) < 2:
            raise DataError(f"data: the table has {len(names)} rows, too few for training; use more, or smaller shares")
        return indices

    @cached_property
    def columns(self) -> list[Column]:
        """Return the code of each column, fitted to the training rows. Raises DataError."""
        columns: list[Column] = []
        for name, cells in cells_by_column(self.table).items():
            if is_categorical(self.table, name, cells):
                columns.append(Categorical(name, tuple(sorted(set(cells)))))
            else:
                values = np.array([float(cell) for cell in cells])
                require_range(name, values)
                training = values[self.indices[0]]
                decimals = most_decimals(cells, float(training.std() or np.abs(training).max()))
                columns.append(fit_modes(name, training, self.modes, decimals))
        return columns

    def count(self) -> SplitSizes:
        train, validation, test = self.indices
        return SplitSizes(len(train), len(validation), len(test))

    def load(self) -> Splits:
        rng = np.random.default_rng(0)
        rows, modes = np.zeros((2, len(self.table.rows), len(self.columns)))
        cells = list(cells_by_column(self.table).values())
        for i, column in enumerate(self.columns):
            if isinstance(column, Categorical):
                number = {category: k for k, category in enumerate(column.categories)}
                rows[:, i] = modes[:, i] = [number[cell] for cell in cells[i]]
            else:
                rows[:, i] = [float(cell) for cell in cells[i]]
                modes[:, i] = draw_modes(column, rows[:, i], rng)
        matrices = encode_rows(self.columns, rows, modes.astype(np.int64), self.sample_shape[1] - 1)
        return Splits(*(Store(matrices, None, index) for index in self.indices))


def cells_by_column(table: RawTable) -> dict[str, list[str]]:
    """Return the cells of each column by its name."""
    return {name: [row[i] for row in table.rows] for i, name in enumerate(table.names)}


def is_categorical(table: RawTable, name: str, cells: list[str]) -> bool:
    """Return whether a column's cells are names: the table says so, or one is no number."""
    return name in table.categorical or not all(map(is_number, cells))


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def require_range(name: str, values: np.ndarray) -> None:  # (N,)
    """Raise DataError unless the column's numbers are numbers of float32, and have a deviation where they differ."""
    if not (np.abs(values) < MOST).all():
        raise DataError(
            f"data: column {name} has numbers beyond {MOST:g}, the largest of float32; divide them by a power of ten"
        )
    if values.std() == 0 and values.min() < values.max():
        raise DataError(f"data: column {name} has numbers too near 0 for a deviation; multiply them by a power of ten")


def most_decimals(cells: list[str], deviation: float) -> int:
    """Return the number of digits after the point that the column's numbers have.

    It is at most DIGITS, and for a standard `deviation` below 1 larger, so that as many digits of the deviation are kept.
    """
    most = DIGITS + max(0, -math.floor(math.log10(deviation))) if deviation else DIGITS
    return max(0, min(most, max(-int(Decimal(cell).as_tuple().exponent) for cell in cells)))


def fit_modes(name: str, values: np.ndarray, modes: int, decimals: int) -> Continuous:  # (N,)
    """Return a column's code: the modes of a mixture of Gaussians with at most `modes` components."""
    from sklearn.mixture import BayesianGaussianMixture  # only where a table is loaded

    scale = float(values.std()) or 1.0
    scaled = ((values - values.mean()) / scale)[:, None]
    if len(scaled) > FIT_ROWS:
        scaled = np.random.default_rng(0).choice(scaled, FIT_ROWS, replace=False)
    mixture = BayesianGaussianMixture(
        n_components=min(modes, len(np.unique(scaled))),
        weight_concentration_prior=0.001,
        covariance_prior=[[PRIOR]],
        mean_precision_prior=PRIOR,
        max_iter=200,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged: any mixture near the values will do
        mixture.fit(scaled)
    kept = np.flatnonzero(mixture.weights_ >= MIN_WEIGHT)
    order = kept[np.argsort(mixture.means_[kept, 0])]
    deviations = np.sqrt(mixture.covariances_[order, 0, 0]).clip(min=MIN_DEVIATION)
    weights = mixture.weights_[order] / mixture.weights_[order].sum()
    return Continuous(name, values.mean() + scale * mixture.means_[order, 0], scale * deviations, weights, decimals)


def draw_modes(column: Continuous, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # (N,) -> (N,)
    """Return a mode of each value, drawn with its posterior probability."""
    distance = (values[:, None] - column.means) / column.deviations
    log_density = -0.5 * distance**2 - np.log(column.deviations / column.weights)
    cumulative = np.exp(log_density - log_density.max(1, keepdims=True)).cumsum(1)
    return np.asarray((cumulative < rng.random((len(values), 1)) * cumulative[:, -1:]).sum(1))
