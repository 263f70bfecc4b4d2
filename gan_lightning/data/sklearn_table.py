"""Real tables without a download: those that scikit-learn includes, as many as 569 rows.

iris (Fisher 1936), wine (Forina et al. 1988), breast_cancer (Street et al. 1993): measurements and a class. diabetes (Efron et
al. 2004): measurements, among them the sex, and the progression of the disease.
"""

from __future__ import annotations

from typing import Any, Literal

from gan_lightning.data.table import RawTable, Table

Name = Literal["iris", "wine", "breast_cancer", "diabetes"]
CLASS = "class"  # name of the column of a table's classes
SEX = "sex"  # the only column of measurements that is a name: 1 or 2


class SklearnTable(Table):
    """Load one of scikit-learn's tables by its `name`; its last column is the class, or the measured progression."""

    def __init__(self, name: Name = "breast_cancer", **shared: Any) -> None:
        super().__init__(**shared)
        self.name = name

    def read(self) -> RawTable:
        from sklearn import datasets  # only where a table is loaded

        options = {"scaled": False} if self.name == "diabetes" else {}
        bunch = getattr(datasets, f"load_{self.name}")(**options)
        classes = getattr(bunch, "target_names", None)
        targets = bunch.target if classes is None else [classes[i] for i in bunch.target]
        rows = [[*map(format_number, values), str(target)] for values, target in zip(bunch.data, targets, strict=True)]
        names = [*map(str, bunch.feature_names), "progression" if classes is None else CLASS]
        return RawTable(names, rows, frozenset({SEX}))


def format_number(x: float) -> str:
    """Return a number as short text, without a point if it is whole."""
    return f"{x:.10g}"
