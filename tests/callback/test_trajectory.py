"""The trajectory of the Dirac-GAN against the same arithmetic by hand."""

import csv
import math

import pytest


def read_trajectory(folder):
    with (folder / "trajectory.csv").open() as file:
        return [(int(row["step"]), float(row["theta"]), float(row["psi"])) for row in csv.DictReader(file)]


def by_hand(steps, gamma, rate=0.1):
    """Return the points of alternating gradient descent on minimax from (1, 1)."""
    theta = psi = 1.0
    points = [(theta, psi)]
    for _ in range(steps):
        psi -= rate * (theta / (1 + math.exp(-psi * theta)) + gamma * psi)
        theta += rate * psi / (1 + math.exp(-psi * theta))
        points.append((theta, psi))
    return points


@pytest.mark.parametrize(("regularizer", "gamma"), [("none", 0.0), ("r1", 0.1)])
def test_the_trajectory_by_hand(command, tmp_path, regularizer, gamma):
    line = ("experiment=dirac", f"regularizer={regularizer}", "callback.trajectory.every_n_steps=5", "hydra.run.dir=run")
    assert command("gan-train", *line, "trainer.max_steps=60").code == 0
    assert command("gan-train", "run=run", "trainer.max_steps=100").code == 0
    trajectory = read_trajectory(tmp_path / "run")
    assert [step for step, _, _ in trajectory] == list(range(0, 101, 5))
    for (_, *point), expected in zip(trajectory, by_hand(100, gamma)[::5], strict=True):
        assert point == pytest.approx(expected, abs=1e-5)
    assert (tmp_path / "run" / "trajectory.png").stat().st_size > 5000


def test_networks_with_more_than_one_parameter_are_rejected(command):
    done = command("gan-train", "experiment=digits_fast", "metric=none", "callback=trajectory", "model.width=4")
    assert done.code == 2
    assert done.err.strip() == "callback.trajectory: the players have 5725 and 1969 parameters, not one each; use model=dirac"
