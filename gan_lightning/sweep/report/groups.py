"""The configurations of a sweep: runs that differ only in their seed form a group, sorted by its mean score."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gan_lightning.sweep.report.collect import DEFAULT, Job
from gan_lightning.sweep.report.formatting import format_mean


@dataclass
class Group:
    """Hold the runs of one configuration, which differ only in their seed."""

    values: dict[str, str]  # factor → value
    jobs: list[Job]

    @property
    def name(self) -> str:
        """Return the group's name in legends: `loss=hinge, model.width=64`."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items()) or "all runs"

    @property
    def finished(self) -> list[Job]:
        """Return the finished runs."""
        return [job for job in self.jobs if job.finished]

    def scores(self, metric: str) -> list[float]:
        """Return a metric's last value in each finished run that has one."""
        return [value for job in self.finished if (value := job.metrics.get(metric)) is not None]


class Summary(NamedTuple):
    """Summarise a metric over the seeds."""

    mean: float
    std: float | None  # None: of a single value
    n: int

    def __str__(self) -> str:
        return format_mean(self.mean, self.std)


def summarize(values: Sequence[float]) -> Summary | None:
    """Return mean, sample standard deviation and number of the values; None if there are none."""
    if not values:
        return None
    return Summary(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def group_jobs(jobs: Sequence[Job], factors: Sequence[str], metric: str | None, maximize: bool) -> list[Group]:
    """Group the jobs by their values of the factors, best mean of `metric` first, groups without a score last."""
    groups: dict[tuple[str, ...], Group] = {}
    for job in jobs:
        overrides = job.values
        values = {factor: overrides.get(factor, DEFAULT) for factor in factors}
        groups.setdefault(tuple(values.values()), Group(values, [])).jobs.append(job)
    sign = -1 if maximize else 1

    def sort_key(group: Group) -> tuple[bool, float]:
        scores = group.scores(metric) if metric else []
        return (not scores, sign * statistics.fmean(scores) if scores else 0.0)

    return sorted(groups.values(), key=sort_key)
