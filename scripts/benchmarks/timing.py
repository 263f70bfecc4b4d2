"""Paired timing: all variants run once in each round, in turn, and are compared within the round.

Absolute times of a shared machine vary from hour to hour, ratios of neighbours in one round much less. CPU time is that of all
threads of this process. A second copy of the baseline shows how far apart equal things are measured.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple


class Times(NamedTuple):
    """Hold the seconds of one unit of work, such as a step."""

    cpu: float
    wall: float


Variant = Callable[[], Times]  # runs once and measures itself, without its own start


class Spread(NamedTuple):
    """Hold the smallest, the middle and the largest of some numbers."""

    low: float
    median: float
    high: float


@contextmanager
def measured(units: int) -> Iterator[list[Times]]:
    """Measure the block, and append the time of one of its `units` to the list."""
    times: list[Times] = []
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    yield times
    times.append(Times((time.process_time() - cpu) / units, (time.perf_counter() - wall) / units))


def repeated(work: Callable[[], object], times: int) -> Variant:
    """Return a variant that does the work several times; the work is the unit."""

    def run() -> Times:
        with measured(times) as result:
            for _ in range(times):
                work()
        return result[0]

    return run


def interleave(variants: Mapping[str, Variant], rounds: int) -> dict[str, list[Times]]:
    """Run every variant once to warm up, then once in each round, each round beginning with another one."""
    names = list(variants)
    for name in names:
        variants[name]()
    times: dict[str, list[Times]] = {name: [] for name in names}
    for i in range(rounds):
        shift = i % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(variants[name]())
    return times


def spread(values: list[float]) -> Spread:
    """Return the smallest, the median and the largest value."""
    return Spread(min(values), statistics.median(values), max(values))


def ratios(times: list[Times], baseline: list[Times]) -> Spread:
    """Return the ratios of CPU time to the baseline's in the same rounds."""
    return spread([time.cpu / base.cpu for time, base in zip(times, baseline, strict=True)])
