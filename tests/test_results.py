"""docs/results.md is what the script says of docs/results.csv and of today's recipes: no figure in it was typed."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reproduce.py"))
Goal = SCRIPT["Goal"]


def test_the_page_is_the_scripts():
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == SCRIPT["page"](), (
        "run: python scripts/reproduce.py --table"
    )


def test_every_benchmark_is_an_experiment_whose_metrics_give_its_goals():
    from gan_lightning.config import instantiate
    from gan_lightning.config.compose import Composer
    from gan_lightning.config.text_keys import quote_line
    from gan_lightning.config.validate import validate

    for name, benchmark in SCRIPT["BENCHMARKS"].items():
        words = [word for word in benchmark.scores if word.startswith(("metric=", "feature="))]
        composer = Composer()
        overrides = quote_line(composer, [*benchmark.overrides(SCRIPT["AnyFolder"]()), *words], sweep=False)
        scores = instantiate.build_metrics(validate(composer.compose(overrides)))
        beside = {"class_accuracy_control", "spread", "tonal_distance", "empty_bars", "pitch_classes", "qualified_notes"}
        named = {number for score in scores.values() for number in [*score.maximize, *score.nonzero_floor]}
        offered = named | beside  # and what stands beside the numbers that are named
        assert {goal.score for goal in benchmark.goals} <= offered, name
        assert all(
            goal.column != "excess" or any(goal.score in s.nonzero_floor for s in scores.values()) for goal in benchmark.goals
        )


@pytest.mark.parametrize(
    ("goal", "values", "holds"),
    [
        (Goal(score="x", label="x", least=1), [0.5, 1.5], True),
        (Goal(score="x", label="x", least=1, every=True), [0.5, 1.5], False),
        (Goal(score="x", label="x", least=1, most=2), [1.5, 3.5], False),
        (Goal(score="x", label="x", most=0.1), [0.05, 0.1], True),
    ],
)
def test_a_goal(goal, values, holds):
    assert goal.holds(values) is holds


def test_a_goal_in_words():
    assert Goal(score="x", label="x", least=0.98, most=0.993, every=True).text() == "≥ 0.98 and ≤ 0.993 in every seed"
    assert Goal(score="x", label="x").text() == ""


def test_rows_of_a_run_replace_what_was_there(tmp_path, monkeypatch):
    keep, told = SCRIPT["keep"], SCRIPT["rows"]
    monkeypatch.setitem(keep.__globals__, "ROWS", tmp_path / "rows.csv")
    row = {"benchmark": "ring", "seed": 0, "commit": "c", "config": "a", "cpu_minutes": 1.0, "score": "modes", "generated": 7.0}
    keep([row, row | {"score": "ks"}])
    keep([row | {"seed": 1}])
    assert [(r["seed"], r["score"]) for r in told()] == [("0", "modes"), ("0", "ks"), ("1", "modes")]
    keep([row | {"generated": 8.0}])
    assert [(r["seed"], r["generated"]) for r in told()] == [("1", "7.0"), ("0", "8.0")]
    keep([row | {"config": "b", "seed": 2}])
    assert [(r["seed"], r["config"]) for r in told()] == [("2", "b")]  # rows of an older recipe go
