"""The effect of a factor on the objective: for two of its values, runs that differ in nothing else are paired.

    d(seed) = mean over the other factors of (score with first − score with second), over pairs in which both runs have a score
    mean of d over seeds ± its 95 % interval, t-distributed with seeds − 1 degrees of freedom

Seeds are the blocks: pairs of one seed share the weights at step 0 and the order of the data, so ten of them are one
observation, not ten. Rank tests can't reach significance here (Wilcoxon's smallest two-sided p is 1/4 with 3 seeds, 1/16 with
5), so the differences are assumed normal; where some of them are equal, as those of counts are, p is at least that of a sign
permutation test.
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

LEVEL = 0.05  # probability of one false "beats" or more on a page
MIN_SEEDS = 3  # for a verdict
MAX_VALUES = 40  # of a factor; with more, its values are not compared in pairs
MAX_EXACT = 12  # differences up to which all 2**n sign permutations are enumerated

Cell = tuple[str, tuple[str, ...]]  # seed, values of the other factors
Scores = Mapping[Cell, Sequence[float | None]]


class ScoredRun(NamedTuple):
    """Hold what a comparison needs of one run."""

    values: Mapping[str, str]  # factor → value, without the seed
    seed: str
    score: float | None


class Effect(NamedTuple):
    """Compare two values of a factor: `difference` is the score with `first` − the score with `second`."""

    factor: str
    first: str
    second: str
    seeds: int
    pairs: int
    missing: int  # pairs in which a run has no score
    difference: float
    low: float  # of the 95 % interval; NaN if it can't be estimated
    high: float
    p: float
    adjusted: float = math.nan  # p, corrected for all comparisons

    @property
    def reversed(self) -> Effect:
        """Return the same comparison with `first` and `second` exchanged."""
        return self._replace(first=self.second, second=self.first, difference=-self.difference, low=-self.high, high=-self.low)

    @property
    def differs(self) -> bool:
        """Return whether the difference is significant after correction."""
        return self.seeds >= MIN_SEEDS and self.adjusted < LEVEL

    def winner(self, higher: bool) -> str | None:
        """Return the better value, given whether `higher` scores are better; None if the difference is not significant."""
        return (self.first if (self.difference > 0) == higher else self.second) if self.differs else None


def paired_effects(runs: Sequence[ScoredRun], factors: Sequence[str]) -> list[Effect]:
    """Compare every two values of every factor that have a pair of runs; p is not corrected yet."""
    effects = []
    for factor in factors:
        cells: dict[str, dict[Cell, list[float | None]]] = defaultdict(lambda: defaultdict(list))
        for run in runs:
            others = tuple(run.values[other] for other in factors if other != factor)
            cells[run.values[factor]][run.seed, others].append(run.score)
        if len(cells) <= MAX_VALUES:
            compared = (compare_values(factor, a, b, cells[a], cells[b]) for a, b in combinations(cells, 2))
            effects += [effect for effect in compared if effect is not None]
    return effects


def compare_values(factor: str, first: str, second: str, first_scores: Scores, second_scores: Scores) -> Effect | None:
    """Compare two values of a factor by their scores in each cell; None if no two runs with a score share a cell."""
    shared = first_scores.keys() & second_scores.keys()
    by_seed: dict[str, list[float]] = defaultdict(list)
    for cell in sorted(shared):
        a, b = ([s for s in scores[cell] if s is not None] for scores in (first_scores, second_scores))
        if a and b:
            by_seed[cell[0]].append(float(np.mean(a) - np.mean(b)))
    if not by_seed:
        return None
    pairs = sum(map(len, by_seed.values()))
    differences = np.array([np.mean(of_seed) for of_seed in by_seed.values()])
    low, high, p = interval_and_p(differences)
    return Effect(factor, first, second, len(by_seed), pairs, len(shared) - pairs, float(differences.mean()), low, high, p)


def interval_and_p(differences: np.ndarray) -> tuple[float, float, float]:  # (N,)
    """Return the 95 % interval (low, high) of the mean of independent differences, and the two-sided p of a mean of 0."""
    n, largest = len(differences), np.abs(differences).max()
    if n < 2 or not largest:
        return math.nan, math.nan, 1.0 if n > 1 else math.nan
    distinct = len(np.unique(np.round(differences / largest, 9)))  # equal ones may differ by a rounding error
    if distinct == 1:
        return math.nan, math.nan, sign_permutation_p(differences)
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(0.95)
    p = float(test.pvalue)
    return float(low), float(high), p if distinct == n else max(p, sign_permutation_p(differences))


def sign_permutation_p(differences: np.ndarray) -> float:  # (N,)
    """Return the two-sided p of a sign permutation test of the mean."""
    n_resamples = math.inf if len(differences) <= MAX_EXACT else 9999
    test = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=n_resamples, rng=0)
    return float(test.pvalue)


def holm(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects with `adjusted` set by Holm's correction over those of at least MIN_SEEDS seeds."""
    tested = sorted((i for i, effect in enumerate(effects) if effect.seeds >= MIN_SEEDS), key=lambda i: effects[i].p)
    corrected, highest = list(effects), 0.0
    for rank, i in enumerate(tested):
        highest = max(highest, min(1.0, effects[i].p * (len(tested) - rank)))
        corrected[i] = effects[i]._replace(adjusted=highest)
    return corrected
