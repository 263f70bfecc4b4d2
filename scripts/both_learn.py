"""Draw D's AUC on held-out real samples and the quality of G's samples over one run: first D improves, then G.

    gan-train experiment=ring 'metric=[mode_coverage,equilibrium]' callback.scores.every_n_steps=100 hydra.run.dir=RUN_DIR
    python scripts/both_learn.py RUN_DIR [PICTURE]

PICTURE is docs/both_learn.png by default. A few rows of the curves are printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CURVES = {
    "auc": ("D's AUC: real above generated, 0.5 = not separable", "tab:red"),
    "high_quality": ("samples within 3σ of a mode", "tab:blue"),
    "modes": ("share of the modes found", "tab:green"),
}


def main() -> None:
    """Read the run's scalars, draw the picture and print the rows."""
    run, picture = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/both_learn.png")
    events = EventAccumulator(str(run))
    events.Reload()
    curves = {name: [(e.step, e.value) for e in events.Scalars(f"metric/{name}")] for name in CURVES}
    all_modes = max(value for _, value in curves["modes"])
    curves["modes"] = [(step, value / all_modes) for step, value in curves["modes"]]
    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name, (label, colour) in CURVES.items():
        axes.plot(*zip(*curves[name], strict=True), color=colour, label=label, linewidth=1.2)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="step", ylim=(0, 1.05), title="both networks over a whole run")
    axes.legend(loc="lower right")
    figure.savefig(picture)
    print("step  " + "  ".join(CURVES))
    length = len(curves["auc"])
    for i in sorted({0, 1, 2, 5, 10, length // 4, length // 2, length - 1} & set(range(length))):
        print(f"{curves['auc'][i][0]:<5d} " + "  ".join(f"{curves[name][i][1]:.3f}" for name in CURVES))
    print(picture)


if __name__ == "__main__":
    main()
