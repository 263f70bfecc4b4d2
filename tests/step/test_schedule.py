"""Schedules: factors worked out by hand, and nothing that remembers."""

import math

import pytest
import yaml

from gan_lightning.config.compose import config_dir
from gan_lightning.step import schedule
from gan_lightning.step.schedule import Constant, Cosine, Geometric, Linear, Ramp, Schedule

OPTIONS = [yaml.safe_load(path.read_text()) for path in sorted((config_dir() / "optimizer/schedule").glob("*.yaml"))]
CLASSES = {c for c in vars(schedule).values() if isinstance(c, type) and issubclass(c, Schedule) and c is not Schedule}

# schedule → progress → factor
FACTORS = [
    (Constant(), {0: 1, 0.3: 1, 1: 1, 2: 1}),
    (Cosine(), {0: 1, 0.25: (2 + math.sqrt(2)) / 4, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1: 0, 1.5: 0}),
    (Cosine(final=0.2), {0: 1, 1 / 3: 0.8, 0.5: 0.6, 1: 0.2, 3: 0.2}),
    (Cosine(start=0.0, final=1.0, decay_fraction=0.5), {0: 0, 1 / 6: 0.25, 0.25: 0.5, 0.5: 1, 1: 1}),
    (Cosine(final=1.1), {0: 1, 0.5: 1.05, 1: 1.1}),
    (Linear(), {0: 1, 0.25: 0.75, 1: 0, 2: 0}),
    (Linear(final=0.2, decay_fraction=0.5), {0: 1, 0.25: 0.6, 0.5: 0.2, 1: 0.2}),
    (Geometric(final=0.01), {0: 1, 0.25: math.sqrt(0.1), 0.5: 0.1, 1: 0.01, 2: 0.01}),
    (Geometric(final=0.1, decay_fraction=0.8), {0: 1, 0.4: math.sqrt(0.1), 0.8: 0.1, 0.9: 0.1, 1: 0.1}),
    (Geometric(final=4.0), {0: 1, 0.5: 2, 1: 4}),
    (Ramp(), {0: 0, 0.05: 0.5, 0.1: 1, 0.5: 1, 1: 1}),
    (Ramp(start=0.5, warmup_fraction=1.0), {0: 0.5, 0.5: 0.75, 1: 1, 1.2: 1}),
    (Ramp(start=3.0, warmup_fraction=0.5), {0: 3, 0.25: 2, 0.5: 1, 1: 1}),
]


def test_every_schedule_is_an_option_and_every_option_a_schedule():
    assert OPTIONS
    assert {node["_target_"] for node in OPTIONS} == {f"gan_lightning.step.schedule.{c.__name__}" for c in CLASSES}


def test_every_schedule_has_factors():
    assert {type(schedule) for schedule, _ in FACTORS} == CLASSES, f"add a row to FACTORS in {__file__}"


@pytest.mark.parametrize(("schedule", "factors"), FACTORS, ids=lambda value: getattr(type(value), "__name__", None))
def test_factors_by_hand(schedule, factors):
    found = {progress: schedule(progress) for progress in factors}
    assert found == pytest.approx(factors, abs=1e-12)


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in FACTORS], ids=lambda s: type(s).__name__)
def test_a_factor_depends_on_progress_alone(schedule):
    before = dict(vars(schedule))
    forth = [schedule(i / 10) for i in range(11)]
    back = [schedule(i / 10) for i in reversed(range(11))]
    assert forth == back[::-1]
    assert vars(schedule) == before
    assert all(isinstance(factor, float) for factor in forth)
