"""The metric of tables by hand, and what shuffled and repeated rows do to it."""

import numpy as np
import pytest
import torch

from gan_lightning.data.format.table_code import Categorical, Continuous
from gan_lightning.data.grammar import Grammar
from gan_lightning.data.sklearn_table import SklearnTable
from gan_lightning.data.table import RawTable, Table
from gan_lightning.metric.evaluation import evaluate_floor
from gan_lightning.metric.reference import Reference
from gan_lightning.metric.table import TableMetric, bin_edges, correlations, indicators, target_column

IRIS = SklearnTable("iris", sample_shape=(5, 6), num_classes=0, validation=0.3, test=0.3)
X = Continuous("x", np.zeros(1), np.ones(1), np.ones(1), 1)
C = Categorical("c", ("a", "b", "c"))


class Line(Table):
    """Two columns of numbers; the second is twice the first."""

    def read(self):
        values = np.random.default_rng(0).normal(size=150).round(3)
        return RawTable(["x", "y"], [[f"{x}", f"{2 * x}"] for x in values], frozenset())


def scored(samples, data=IRIS):
    metric = TableMetric()
    metric.set_reference(Reference(data))
    metric.update(samples, None)
    return {name: float(value) for name, value in metric.compute().items()}


def test_bins_are_categories_and_tenths():
    assert bin_edges(C, np.array([0.0, 2.0])).tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert bin_edges(X, np.arange(101.0)).tolist() == pytest.approx([-np.inf, *range(10, 100, 10), np.inf])
    assert bin_edges(X, np.ones(9)).tolist() == [-np.inf, 1, np.inf]


def test_total_variation_by_hand():
    """One column of names with shares (3/4, 1/4, 0) against (1/4, 1/4, 1/2): half of 1/2 + 0 + 1/2."""
    metric = TableMetric()
    metric.edges = [bin_edges(C, np.zeros(1))]
    rows, real = (np.array(x, float)[:, None] for x in ([0, 0, 0, 1], [0, 1, 2, 2]))
    assert metric.marginal_tv(rows, 4, real) == pytest.approx(0.5)
    assert metric.marginal_tv(real, 4, real) == 0
    assert metric.marginal_tv(real, 8, real) == pytest.approx(0.5)  # half of the rows are not finite: in no bin
    assert metric.marginal_tv(real[:0], 8, real) == pytest.approx(1)


def test_correlations_by_hand():
    values, own = indicators([X, C], np.array([[1.0, 0], [2.0, 1], [3.0, 1]]))
    assert values.tolist() == [[1, 1, 0, 0], [2, 0, 1, 0], [3, 0, 1, 0]]
    assert own.tolist() == [0, 1, 1, 1]
    r = correlations(values)
    assert r[0, 1] == pytest.approx(-(3**0.5) / 2)
    assert r[0, 2] == pytest.approx(3**0.5 / 2)
    assert not r[3].any()
    assert target_column([X, C, X]) == 1
    assert target_column([X, X]) == 1


def test_real_rows_are_near_and_learned_from():
    metric = TableMetric()
    metric.set_reference(Reference(IRIS))
    real = evaluate_floor({"table": metric}, Reference(IRIS))
    assert real["accuracy_fake"] > 0.85
    assert real["accuracy_ratio"] > 0.9
    train = scored(IRIS.splits.train.part(0, 999).real)
    assert train["marginal_tv_train"] < 0.01  # decoded values are rounded
    assert train["accuracy_ratio"] == 1
    assert train["marginal_tv"] > 0.03


def test_columns_shuffled_apart_keep_marginals_and_lose_the_rest():
    rows = IRIS.splits.train.part(0, 999).real
    order = torch.Generator().manual_seed(0)
    shuffled = torch.stack([rows[torch.randperm(len(rows), generator=order), i] for i in range(5)], 1)
    found, real = scored(shuffled), scored(rows)
    assert found["marginal_tv"] == pytest.approx(real["marginal_tv"])
    assert found["correlation_difference"] > 0.25 > 0.12 > real["correlation_difference"]
    assert found["accuracy_ratio"] < 0.8


def test_one_row_repeated_is_far():
    found = scored(IRIS.splits.train.part(0, 1).real.expand(100, -1, -1))
    assert found["marginal_tv"] > 0.6
    assert found["accuracy_fake"] < 0.5


def test_a_table_without_names_is_split_at_the_median():
    data = Line(sample_shape=(2, 2), modes=1, num_classes=0)
    rows = data.splits.train.part(0, 999).real
    assert scored(rows, data)["accuracy_fake"] > 0.9
    mirrored = torch.stack([rows[:, 0], rows[:, 1] * torch.tensor([-1.0, 1.0])], 1)
    assert scored(mirrored, data)["accuracy_fake"] < 0.1
    assert "data=table" in TableMetric().incompatibility(Grammar(sample_shape=(9, 5), num_classes=0))
