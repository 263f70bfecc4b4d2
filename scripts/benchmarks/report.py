"""The page of benchmarks: suites as tables, with the machine and the versions that they were measured on."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.timing import Spread
from gan_lightning.run.provenance import provenance

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "numpy")


class Row(NamedTuple):
    """Hold a variant's ratio to the baseline, and absolute numbers of the same rounds."""

    name: str
    ratio: Spread
    numbers: Mapping[str, float]


class Suite(NamedTuple):
    """Hold a table of variants; `baseline` is what their ratios are to, of `quantity`."""

    title: str
    baseline: str
    rows: list[Row]
    quantity: str = "time"


def table(suite: Suite) -> str:
    """Return the suite's table in Markdown."""
    columns = list(suite.rows[0].numbers)
    head = ["variant", f"{suite.quantity}, {suite.baseline} = 1", "lowest to highest", *columns]
    lines = [f"## {suite.title}", "", row(head), row(["---"] * len(head))]
    for name, ratio, numbers in suite.rows:
        cells = [name, f"**{ratio.median:.2f}**", f"{ratio.low:.2f} to {ratio.high:.2f}"]
        lines.append(row([*cells, *(number(numbers[column]) for column in columns)]))
    return "\n".join(lines)


def row(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(cells) + " |"


def number(value: float) -> str:
    """Return three significant digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def machine() -> str:
    """Return the processor, the threads, the commit and the versions."""
    names = [line.partition(":")[2].strip() for line in cpu_info() if line.startswith("model name")]
    commit = provenance(0, "cpu")["commit"]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    processor = names[0] if names else platform.processor()
    return f"{processor}, {torch.get_num_threads()} thread; commit {commit}; Python {platform.python_version()}, {versions}"


def cpu_info() -> list[str]:
    """Return the lines of the kernel's description of the processors; none where it has none."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
