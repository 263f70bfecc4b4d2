"""A sweep says that one beats another only where it does: A/A comparisons, planted effects, and an analysis that must fail."""

from itertools import product

import numpy as np
import pytest
from kinds import kinds
from scipy import stats

from gan_lightning.sweep.report.effects import LEVEL, ScoredRun, holm, paired_effects

SEEDS = 5


def sweep(rng, factors, noise=lambda rng, n: rng.normal(size=n), planted=None, seeds=SEEDS, shared=1.0):
    """Runs of all combinations: a seed's own level, its own reaction to each value, and noise; `planted`: value → shift."""
    names = list(factors)
    level = {s: rng.normal() for s in range(seeds)}
    reaction = {(s, v): shared * noise(rng, 1)[0] for s in range(seeds) for name in names for v in factors[name]}
    runs = []
    for values in product(*factors.values()):
        for s in range(seeds):
            score = level[s] + sum(reaction[s, v] for v in values) + 0.3 * noise(rng, 1)[0]
            score += sum((planted or {}).get(v, 0.0) for v in values)
            runs.append(ScoredRun(dict(zip(names, values, strict=True)), str(s), score))
    return runs


NOISES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy": lambda rng, n: rng.standard_t(2, size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) ** 2,
    "counting": lambda rng, n: rng.integers(0, 2, size=n).astype(float),
}
BIG = {"loss": ["a", "b", "c", "d"], "regularizer": ["none", "r1", "r2"]}


@pytest.mark.parametrize(
    ("noise", "seeds"),
    kinds([(noise, n) for noise in NOISES for n in (3, 5, 10)], ("normal", 5), ("heavy", 3), ("skewed", 10), ("counting", 3)),
)
def test_nothing_is_found_where_there_is_nothing(noise, seeds):
    """At most 8 of 100 comparisons of a thing with itself, a page each, without the help of any correction; 400 are made."""
    rng, said = np.random.default_rng(0), 0
    for _ in range(400):
        runs = sweep(rng, {"loss": ["a", "b"]}, NOISES[noise], seeds=seeds)
        if noise == "counting":
            runs = [run._replace(score=float(rng.integers(6, 9))) for run in runs]
        (found,) = holm(paired_effects(runs, ["loss"]))
        said += found.differs
    print(f"{noise}, {seeds} seeds: {said} of 400")
    assert said <= 4 * 8


def test_a_page_of_many_comparisons_stays_silent():
    """100 pages of nine comparisons each: Holm keeps the chance of one false word on a page at 5 %."""
    rng, pages, words = np.random.default_rng(1), 0, 0
    for _ in range(100):
        found = holm(paired_effects(sweep(rng, BIG), list(BIG)))
        assert len(found) == 9
        words += (said := sum(e.differs for e in found))
        pages += said > 0
    print(f"{pages} of 100 pages, {words} of 900 comparisons")
    assert pages <= 8


def naive(runs, factor, one, other):
    """What must fail: every pair counted as an observation of its own, and no correction."""
    scores = {(tuple(run.values.items()), run.seed): run.score for run in runs}
    pairs = []
    for run in runs:
        if run.values[factor] == one:
            twin = tuple((run.values | {factor: other}).items())
            pairs.append(run.score - scores[twin, run.seed])
    return stats.ttest_1samp(pairs, 0).pvalue < LEVEL


def test_pairs_taken_as_independent_would_be_seen():
    """The negative control: seeds that react in their own way to a value make ten pairs of one seed one observation."""
    rng, factors = np.random.default_rng(2), {"loss": ["a", "b"], "width": [str(w) for w in range(8)]}
    wrong = right = 0
    for _ in range(100):
        runs = sweep(rng, factors)
        wrong += naive(runs, "loss", "a", "b")
        right += paired_effects(runs, ["loss", "width"])[0].p < LEVEL
    print(f"naive: {wrong} of 100, by seeds: {right} of 100")
    assert wrong > 20
    assert right <= 8


def test_a_page_without_correction_would_be_seen():
    """The other one: nine tests at 5 % each."""
    rng = np.random.default_rng(1)
    assert sum(any(e.p < LEVEL for e in paired_effects(sweep(rng, BIG), list(BIG))) for _ in range(100)) > 12


@pytest.mark.parametrize(("seeds", "shift"), [(3, 4.0), (5, 1.5), (10, 1.0)])
def test_a_planted_effect_is_found(seeds, shift):
    rng, found = np.random.default_rng(3), 0
    for _ in range(50):
        runs = sweep(rng, BIG, planted={"c": -shift}, seeds=seeds, shared=0.1)
        said = {e.winner(higher=False) for e in holm(paired_effects(runs, list(BIG))) if "c" in (e.first, e.second)}
        assert said <= {"c", None}
        found += "c" in said
    print(f"{seeds} seeds, shift {shift}: {found} of 50")
    assert found >= 45


def rows(**scores):
    """Value → scores by seed."""
    return [ScoredRun({"loss": value}, str(s), score) for value, given in scores.items() for s, score in enumerate(given)]


def test_by_hand():
    (found,) = paired_effects(rows(a=[1.0, 2.0, 4.0], b=[0.0, 0.5, 1.0]), ["loss"])
    assert (found.first, found.second, found.seeds, found.pairs, found.missing) == ("a", "b", 3, 3, 0)
    assert found.difference == pytest.approx(11 / 6)
    deviation = np.std([1, 1.5, 3], ddof=1) / np.sqrt(3)
    assert found.high - found.difference == pytest.approx(4.302652729911275 * deviation)  # Student's t, 2 degrees, 97.5 %


def test_a_run_without_a_score_takes_its_pair_along():
    (found,) = paired_effects(rows(a=[1.0, 2.0, None, 4.0], b=[0.0, None, 1.0, 2.0]), ["loss"])
    assert (found.seeds, found.pairs, found.missing) == (2, 2, 2)
    assert found.difference == 1.5


def test_two_seeds_say_nothing():
    (found,) = holm(paired_effects(rows(a=[1.0, 1.0001], b=[0.0, 0.0]), ["loss"]))
    assert not found.differs
    assert np.isnan(found.adjusted)


def test_one_seed_gives_a_difference_alone():
    (found,) = holm(paired_effects(rows(a=[1.0], b=[0.0]), ["loss"]))
    assert (found.difference, found.differs, np.isnan(found.low)) == (1.0, False, True)


@pytest.mark.parametrize("seeds", [3, 4, 5])
def test_equal_differences_are_not_certain(seeds):
    """Eight modes against seven, in each of a few seeds: a t-test without any spread would be sure."""
    (found,) = holm(paired_effects(rows(a=[8.0] * seeds, b=[7.0] * seeds), ["loss"]))
    assert found.p == pytest.approx(2 ** (1 - seeds))
    assert not found.differs


def test_equal_but_for_rounding_is_equal():
    (found,) = paired_effects(rows(a=[0.1 + 0.2, 0.4, 0.5], b=[0.2, 0.3, 0.4]), ["loss"])
    assert found.p == 0.25


def test_six_equal_differences_are():
    (found,) = holm(paired_effects(rows(a=[8.0] * 6, b=[7.0] * 6), ["loss"]))
    assert found.winner(higher=True) == "a"
    assert found.winner(higher=False) == "b"


def test_no_difference_at_all():
    (found,) = holm(paired_effects(rows(a=[8.0] * 4, b=[8.0] * 4), ["loss"]))
    assert (found.difference, found.p, found.differs) == (0.0, 1.0, False)


def test_values_that_share_no_pair_are_not_compared():
    runs = [ScoredRun({"loss": "a", "model": "x"}, "0", 1.0), ScoredRun({"loss": "b", "model": "y"}, "0", 2.0)]
    assert paired_effects(runs, ["loss", "model"]) == []


def test_holm_by_hand():
    found = holm(
        [e._replace(p=p) for e, p in zip(paired_effects(rows(a=[1, 2, 4], b=[0, 0, 0]), ["loss"]) * 4, HAND, strict=True)]
    )
    assert [e.adjusted for e in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])


HAND = (0.01, 0.04, 0.03, 0.005)  # Holm: 4 × 0.005, 3 × 0.01, 2 × 0.03, then never less than the one before
