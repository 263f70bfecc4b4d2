"""Draw the trajectories of Dirac-GAN sweeps, one plot per loss and penalty, and print a table of |θ|.

The table has |θ| at the end of each run, and in brackets the largest |θ| over its last quarter.

    gan-train -m experiment=dirac loss=minimax,non_saturating,relativistic,least_squares,hinge,wasserstein \
      regularizer=none,r1,r2
    gan-train -m experiment=dirac loss=minimax,non_saturating,relativistic,least_squares,hinge,wasserstein \
      regularizer=gradient_penalty regularizer.gradient_penalty.weight=0.1
    python scripts/dirac.py [FOLDER] [PICTURE]

FOLDER is the folder of the sweeps, by default multirun/dirac; PICTURE is docs/dirac.png by default.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

LOSSES = ("minimax", "non_saturating", "relativistic", "least_squares", "hinge", "wasserstein")
PENALTIES = ("none", "r1", "r2", "gradient_penalty, weight 0.1")
LAST = 0.25  # share of the run; a path that still moves there has not converged
AXIS_LIMIT = 2.6


class Trajectory(NamedTuple):
    """Hold a run's θ and ψ at every recorded step."""

    theta: list[float]
    psi: list[float]

    @property
    def end(self) -> float:
        """Return |θ| at the last step."""
        return abs(self.theta[-1])

    @property
    def largest(self) -> float:
        """Return the largest |θ| over the last quarter."""
        return max(map(abs, self.theta[-int(LAST * len(self.theta)) :]))


def main() -> None:
    """Draw the picture and print the table."""
    folder, picture = (
        Path(argument) for argument in (*sys.argv[1:], *("multirun/dirac", "docs/dirac.png")[len(sys.argv) - 1 :])
    )
    trajectories = {}
    for result in sorted(folder.glob("*/result.json")):
        overrides = dict(override.split("=", 1) for override in json.loads(result.read_text())["overrides"])
        weights = [f", weight {value}" for key, value in overrides.items() if key.endswith(".weight")]
        trajectories[overrides["loss"], "".join([overrides["regularizer"], *weights])] = read_trajectory(
            result.parent / "trajectory.csv"
        )
    penalties = [p for p in PENALTIES if p in {penalty for _, penalty in trajectories}]
    if not penalties:
        sys.exit(f"{folder}: no runs of the Dirac-GAN; {Path(__file__).name} begins with the commands that train them")
    draw(trajectories, penalties).savefig(picture)
    print("| | " + " | ".join(penalties) + " |")
    print("|---" * (1 + len(penalties)) + "|")
    for loss in LOSSES:
        cells = [trajectories.get((loss, penalty)) for penalty in penalties]
        print(f"| {loss} | " + " | ".join("" if c is None else f"{c.end:.2g} ({c.largest:.2g})" for c in cells) + " |")


def read_trajectory(path: Path) -> Trajectory:
    """Read the table that callback=trajectory has written."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Trajectory([float(row["theta"]) for row in rows], [float(row["psi"]) for row in rows])


def draw(trajectories: dict[tuple[str, str], Trajectory], penalties: list[str]) -> Figure:
    """Draw one row per loss and one column per penalty; each path starts at a red dot and becomes darker with time."""
    figure = Figure(figsize=(1 + 1.9 * len(penalties), 11.6), dpi=100, layout="constrained")
    axes = figure.subplots(len(LOSSES), len(penalties), sharex=True, sharey=True)
    for row, loss in zip(axes, LOSSES, strict=True):
        for plane, penalty in zip(row, penalties, strict=True):
            path = trajectories.get((loss, penalty))
            if path is not None:
                plane.plot(path.theta, path.psi, color="lightgrey", lw=0.5, zorder=1)
                plane.scatter(path.theta, path.psi, c=range(len(path.theta)), cmap="viridis_r", s=1.5, lw=0, zorder=2)
                plane.plot(path.theta[0], path.psi[0], "o", color="tab:red", ms=4, zorder=3)
                plane.plot(path.theta[-1], path.psi[-1], "x", color="black", ms=6, zorder=3)
            plane.plot(0, 0, "+", color="grey", ms=6, zorder=1)
            plane.set_xlim(-AXIS_LIMIT, AXIS_LIMIT)
            plane.set_ylim(-AXIS_LIMIT, AXIS_LIMIT)
            plane.set_aspect("equal")
    for plane, penalty in zip(axes[0], penalties, strict=True):
        plane.set_title(penalty.replace(", ", ",\n"), fontsize=9)
    for row, loss in zip(axes, LOSSES, strict=True):
        row[0].set_ylabel(f"{loss}\nψ", fontsize=9)
    for plane in axes[-1]:
        plane.set_xlabel("θ")
    return figure


if __name__ == "__main__":
    main()
