"""What a factor does to the objective: for two of its values, runs that differ in nothing else are paired.

    d(seed) = mean over the other factors of (score with one value − score with the other), where both runs have a score
    mean of d over seeds ± its 95 % interval, t-distributed with seeds − 1 degrees of freedom

Seeds are the blocks: pairs of one seed share its weights at step 0 and its order of the data, so ten of them are one
observation, not ten. Ranks can't decide here (Wilcoxon's smallest two-sided p is 1/4 with 3 seeds, 1/16 with 5), so differences
are taken as normal, unless some of them are equal: a score that counts is no normal variable, and signs are permuted instead.
All comparisons of a page are corrected together (Holm 1979, "A simple sequentially rejective multiple test procedure").
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.05  # chance of a false "beats" anywhere on a page
LEAST = 3  # seeds that a verdict takes
MOST_VALUES = 40  # of one factor, that are compared in pairs
EXACT = 12  # differences up to which all 2**n signs are tried


class Scored(NamedTuple):
    """One run, as far as comparing goes."""

    values: Mapping[str, str]  # factor → value, without the seed
    seed: str
    score: float | None  # None: it has none


class Effect(NamedTuple):
    """`one` against `other`: the difference is score of one − score of other."""

    factor: str
    one: str
    other: str
    seeds: int
    pairs: int
    missing: int  # pairs of which a run has no score
    difference: float
    low: float  # NaN: nothing can be said with so few seeds
    high: float
    p: float
    adjusted: float = math.nan

    @property
    def turned(self) -> Effect:
        """The same from the other side."""
        return self._replace(one=self.other, other=self.one, difference=-self.difference, low=-self.high, high=-self.low)

    @property
    def differs(self) -> bool:
        """Whether it is more than chance, all comparisons of the page considered."""
        return self.seeds >= LEAST and self.adjusted < LEVEL

    def winner(self, higher: bool) -> str | None:
        """The better value, where one beats the other."""
        return (self.one if (self.difference > 0) == higher else self.other) if self.differs else None


def paired_effects(runs: Sequence[Scored], factors: Sequence[str]) -> list[Effect]:
    """Every two values of every factor that share a pair, not yet corrected."""
    found = []
    for factor in factors:
        cells: dict[str, dict[tuple[str, tuple[str, ...]], list[float | None]]] = defaultdict(lambda: defaultdict(list))
        for run in runs:
            others = tuple(run.values[other] for other in factors if other != factor)
            cells[run.values[factor]][run.seed, others].append(run.score)
        if len(cells) <= MOST_VALUES:
            compared = (compare_values(factor, one, other, cells[one], cells[other]) for one, other in combinations(cells, 2))
            found += [effect for effect in compared if effect is not None]
    return found


def compare_values(
    factor: str,
    one: str,
    other: str,
    ones: Mapping[tuple[str, tuple[str, ...]], Sequence[float | None]],
    others: Mapping[tuple[str, tuple[str, ...]], Sequence[float | None]],
) -> Effect | None:
    """Two values of a factor; None: no two runs differ in them alone."""
    both = ones.keys() & others.keys()
    seeds: dict[str, list[float]] = defaultdict(list)
    for key in sorted(both):
        here, there = ([s for s in side[key] if s is not None] for side in (ones, others))
        if here and there:
            seeds[key[0]].append(float(np.mean(here) - np.mean(there)))
    if not seeds:
        return None
    pairs = sum(map(len, seeds.values()))
    differences = np.array([np.mean(found) for found in seeds.values()])
    low, high, p = interval_and_p(differences)
    return Effect(factor, one, other, len(seeds), pairs, len(both) - pairs, float(differences.mean()), low, high, p)


def interval_and_p(differences: np.ndarray) -> tuple[float, float, float]:
    """The 95 % interval of the mean of independent differences, and p of its being 0."""
    n, largest = len(differences), np.abs(differences).max()
    if n < 2 or not largest:
        return math.nan, math.nan, 1.0 if n > 1 else math.nan
    distinct = len(np.unique(np.round(differences / largest, 9)))  # as numbers that were calculated can be equal
    if distinct == 1:
        return math.nan, math.nan, sign_permutation_p(differences)
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(0.95)
    return (
        float(low),
        float(high),
        float(test.pvalue) if distinct == n else max(float(test.pvalue), sign_permutation_p(differences)),
    )


def sign_permutation_p(differences: np.ndarray) -> float:
    """The p that permuting signs gives."""
    tries = math.inf if len(differences) <= EXACT else 9999
    test = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=tries, rng=0)
    return float(test.pvalue)


def holm(found: Sequence[Effect]) -> list[Effect]:
    """The same with their p corrected for each other; what takes part are those that could be judged."""
    judgeable = sorted((i for i, e in enumerate(found) if e.seeds >= LEAST), key=lambda i: found[i].p)
    corrected, highest = list(found), 0.0
    for rank, i in enumerate(judgeable):
        highest = max(highest, min(1.0, found[i].p * (len(judgeable) - rank)))
        corrected[i] = found[i]._replace(adjusted=highest)
    return corrected
