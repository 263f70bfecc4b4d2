"""Train the offline benchmarks over several seeds and write docs/results.md.

python scripts/reproduce.py [benchmark …] [--seeds N] [--jobs N]

Each run is `gan-train` and then `gan-evaluate` as anyone would type them, on one thread, in runs/reproduce/. It may be stopped
at any time: a repeat goes on with the runs that are there, and leaves out what docs/results.csv already holds for the same
config. `--table` trains nothing and writes the page from the rows that there are.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from gan_lightning.config.compose import Composer
from gan_lightning.config.resolve import Plain
from gan_lightning.config.validate import validate

ROOT = Path(__file__).resolve().parent.parent
RUNS, ROWS, PAGE = Path("runs/reproduce"), ROOT / "docs" / "results.csv", ROOT / "docs" / "results.md"
FIELDS = ("benchmark", "seed", "commit", "config", "cpu_minutes", "score", "generated", "real", "excess")
WATCHING = ("fork", "callback", "logger", "checkpoint", "name", "debug", "seed", "objective", "metric", "feature")


HEAD = """# Results

Written by `python scripts/reproduce.py` from `docs/results.csv`; no figure here was typed. A run is `gan-train` and then
`gan-evaluate` on one thread of a CPU, no GPU: mean ± standard deviation over training seeds, the worst seed beside it.
Nothing was selected: the last checkpoint's running average, on the test split, with z that training never saw. *Real* is
the same score of real samples in place of generated ones. Published figures stand in the papers' own text; where they are
of other data or networks, they say what was known to be possible, not what was beaten. A + behind a commit: with files that
were not committed, such as this page. What was tried in a *bare loop* stems from outside of this repository.
"""


class Goal(NamedTuple):
    """What a score should reach: `column` of its row, between `least` and `most`, in the mean or in every seed."""

    score: str
    label: str
    column: str = "generated"
    least: float | None = None
    most: float | None = None
    every: bool = False
    published: str = "–"

    def holds(self, values: list[float]) -> bool:
        """Whether it is reached."""
        tried = values if self.every else [statistics.fmean(values)]
        return all((self.least is None or v >= self.least) and (self.most is None or v <= self.most) for v in tried)

    def text(self) -> str:
        """As a person reads it."""
        bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None]
        return " and ".join(bounds) + (" in every seed" if self.every else "")


class Benchmark(NamedTuple):
    """An experiment, how it is scored, and what it should reach."""

    title: str
    experiment: str
    scores: tuple[str, ...]  # what gan-evaluate is asked for
    seeds: int
    minutes: float  # CPU minutes on one core that a run may cost
    goals: tuple[Goal, ...]
    note: str = ""


BENCHMARKS = {
    "ring": Benchmark(
        "Ring of 8 Gaussians, 2500 samples",
        "ring",
        ("metric=mode_coverage", "num=2500"),
        10,
        5,
        (
            Goal("modes", "modes", least=8, every=True, published="7.9 (PacGAN2), 8 (VEEGAN)"),
            Goal("high_quality", "high quality", least=0.98, most=0.993, published="0.977 (PacGAN3)"),
            Goal("reverse_kl", "reverse KL", published="0.07 (PacGAN2)"),
            Goal("reverse_kl_excess", "reverse KL over its floor", most=0.004),
            Goal("ks", "KS distance within modes", most=0.05),
            Goal("spread", "spread within modes"),
            Goal("energy", "energy distance, real = 1"),
        ),
        note="""\
**Short of the goal: high quality and the shape within modes.** A prior with eight coins ends the bridges between modes, which
had cost 10 % of high quality, and a strong penalty at first makes the modes even in every seed. But each cluster wanders and
turns while D learns, D counts that as width, and where training ends the clusters are now too wide, now too narrow; the
running average takes part of the wandering away (the live weights' spread is 0.9 to 1.1). Tried, with one to seven seeds:
this recipe with a first weight of 0.1 and 6000 steps (high quality 0.991, but of seven seeds one lost a mode and one drew
them unevenly; KS 0.11); this recipe for 16,000 steps (three seeds: high quality 0.975, 0.968, 0.960, KS 0.09, 0.09, 0.05);
the ring seen five times as large, 24,000 steps, a generator whose learning rate ends at 0.3 % and a discriminator's at 2 %
(three seeds: high quality 0.973, 0.901, 0.921, KS 0.05, 0.18, 0.08), at 10 % (0.892, KS 0.23), a final weight six times
smaller (0.89, KS 0.23 to 0.29). In a bare loop, with two seeds at most: running averages from 0.9 to 0.999 (shorter is
wider); Adam's second moment 0.999 (wider) and eps 1e-3 (wider); Fourier features in D (modes uneven); batch 1024, four D
steps, 64 one-hot components, 64 linear experts, SiLU: no better.""",
    ),
    "grid": Benchmark(
        "Grid of 25 Gaussians, 2500 samples",
        "grid",
        ("metric=mode_coverage", "num=2500"),
        5,
        15,
        (
            Goal("modes", "modes", least=25, every=True, published="24.8 (PacGAN4)"),
            Goal("high_quality", "high quality", least=0.95, published="0.936 (PacGAN4), 0.942 (PacGAN3)"),
            Goal("reverse_kl", "reverse KL", most=0.03, published="0.04 (PacGAN4)"),
            Goal("ks", "KS distance within modes", most=0.1),
            Goal("spread", "spread within modes"),
            Goal("energy", "energy distance, real = 1"),
        ),
        note="""\
**High quality** varies with the seed: 256 corners of eight coins do not divide by 25, so some must lie between two
modes. The same game in a bare loop reached 0.979 on one seed. Tried: twelve coins (0.883 on seed 0), a decay to 0.3 %
in 16,000 steps (0.913 on seed 0, 0.965 in the loop), 40,000 steps (0.935 and 0.854 on seeds 0 and 1).""",
    ),
    "digits": Benchmark(
        "Digits 8×8, one class a sample",
        "digits_8",
        ("metric=[fid,class_accuracy_digits,nearest_neighbour,precision_recall]", "feature=digits", "num=10000"),
        5,
        2,
        (
            Goal("fid", "digits FID", most=0.5),
            Goal("fid", "digits FID over its floor", column="excess"),
            Goal("class_accuracy", "class accuracy", least=0.99),
            Goal("class_accuracy_control", "class accuracy, second classifier", least=0.99),
            Goal("copying", "nearest-neighbour ratio", least=0.9),
            Goal("precision", "precision"),
            Goal("recall", "recall"),
        ),
    ),
    "digits_unconditional": Benchmark(
        "Digits 8×8, unlabelled",
        "digits_unconditional",
        ("metric=[fid,factor_coverage,nearest_neighbour]", "feature=digits", "num=10000"),
        5,
        5,
        (
            Goal("fid", "digits FID", most=2),
            Goal("fid", "digits FID over its floor", column="excess"),
            Goal("joint_kl_excess", "class KL over its floor", most=0.01),
            Goal("confident", "read confidently"),
            Goal("copying", "nearest-neighbour ratio"),
        ),
    ),
    "stacked_digits": Benchmark(
        "Stacked digits, 26,000 samples",
        "stacked_digits",
        ("metric=factor_coverage", "feature=stacked_digits", "num=26000"),
        5,
        20,
        (
            Goal("cells", "modes", least=1000, published="1000 (PacDCGAN2, on MNIST)"),
            Goal("joint_kl", "KL", most=0.03, published="0.06 (PacDCGAN2, on MNIST)"),
            Goal("confident", "confident on all three channels", least=0.6),
        ),
        note="""\
**KL.** Every mode is drawn and read with confidence, but not evenly: a channel's digits differ in how often they come. Longer
alone does not mend it: 5000 steps gave 0.087 on seed 0, these 20,000 give 0.044 to 0.089 over five seeds, above PacDCGAN2's
figure (on MNIST) in the mean. Tried, 20,000 steps on seed 0: a penalty that ends at 3 % of its weight (0.084) or stays (0.086),
in place of a third: within what the seed does. Tried on 1000 to 3000 steps of a bare loop: dense networks of width 512 for all
channels together (KL 0.20 after 3000 steps), convolutions in D, no batch normalisation in G (modes lost), weights from 0.1 to
3 (more is better). One network for all channels is not the plain setting: it learns each digit once. The minutes of seed 0 are
those on the clock, on a machine that did other work as well.""",
    ),
    "cartoon_faces": Benchmark(
        "Cartoon faces 32×32, 10,000 samples",
        "cartoon_faces",
        ("metric=[factor_coverage,fid]", "feature=cartoon_faces", "num=10000"),
        5,
        20,
        (
            Goal("values", "factor values covered", least=1),
            Goal("joint_kl_excess", "joint KL over its floor", most=0.05),
            Goal("confident", "faces read confidently", least=0.9),
            Goal("fid", "FID on the classifier's features"),
        ),
        note="""\
**Short of the goal: half of the faces are read with confidence.** Every value of every factor is drawn, and the faces look
like faces, but some hair has a colour between two of the data's, small mouths blur, and some combinations come more often
than others; how much so depends on the seed. It gets better with time: on the validation split of seed 0, 25 % were read
after 2000 steps, 41 % after 6000, 51 % after 14,000, when the learning rate has reached 0. Tried before this recipe: the
digits' network, 1800 steps of 64 in 13.6 CPU minutes (confident 0.16, joint KL 0.64 over its floor, FID 22); a DCGAN of
width 32 with the non-saturating loss and no penalty, 3500 steps in 7 CPU minutes (0.23, 0.54 on the validation split). In a
bare loop, trials of 120 to 180 CPU seconds, one seed each, near this recipe (0.14, 0.56; they changed other things too, so
compare them roughly): dense networks alone 0.13, 0.48, and noisy; those with a tenth of the penalty 0.11, 0.76; four times
the penalty 0.18, 0.56; batches of 64 in place of 32 0.16, 0.58; the non-saturating loss 0.15, 0.95; a generator three times
as fast 0.18, 1.13; no batch normalisation 0.16, 0.64; categorical codes in place of coins 0.15, 0.63; colours chosen from a
learned list 0.21, 1.26 to 1.50; strided convolutions in D 0.17, 1.43 to 1.85. Seven older trials without the palette: at
best 0.25, 0.66.""",
    ),
}
SWEEP = (
    "experiment=ring_fast,digits_fast",
    "loss=minimax,non_saturating,least_squares,hinge,wasserstein,relativistic",
    "regularizer=none,r1,[r1,r2]",
    "seed=0,1,2",
)


def main() -> None:
    """Train what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", default=[*BENCHMARKS, "comparison"], metavar="benchmark")
    parser.add_argument("--seeds", type=int, help="as many as this; the default is each benchmark's own number")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--table", action="store_true", help="write the page from the rows that there are")
    asked = parser.parse_args()
    if unknown := [name for name in asked.benchmarks if name not in {*BENCHMARKS, "comparison"}]:
        parser.error(f"{unknown[0]}: no such benchmark; allowed: {', '.join([*BENCHMARKS, 'comparison'])}")
    if not asked.table:
        known = {(row["benchmark"], row["config"], row["seed"]) for row in rows()}
        wanted = [
            (name, seed)
            for name in asked.benchmarks
            if name in BENCHMARKS
            for seed in range(asked.first, asked.first + (asked.seeds or BENCHMARKS[name].seeds))
            if (name, configuration(name), str(seed)) not in known
        ]
        with ThreadPoolExecutor(asked.jobs) as pool:
            for finished in pool.map(lambda job: reproduced(*job), wanted):
                keep(finished)
                PAGE.write_text(page(), encoding="utf-8")
        if "comparison" in asked.benchmarks:
            keep(compared())
    PAGE.write_text(page(), encoding="utf-8")


def composed(words: list[str]) -> Plain:
    """What decides how a run trains, and nothing that only watches it."""
    return {group: node for group, node in validate(Composer().compose(words)).items() if group not in WATCHING}


def configuration(name: str) -> str:
    """A short hash of what is trained and how it is scored."""
    benchmark = BENCHMARKS[name]
    told = [without_paths(composed([f"experiment={benchmark.experiment}"])), benchmark.scores]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def without_paths(node: Any) -> Any:
    """Replace each `_target_` by its last two names, such as `mlp.Generator`: a class may move without changing a recipe."""
    if isinstance(node, dict):
        return {k: ".".join(v.split(".")[-2:]) if k == "_target_" else without_paths(v) for k, v in node.items()}
    return [without_paths(inner) for inner in node] if isinstance(node, list) else node


def reproduced(name: str, seed: int) -> list[dict[str, object]]:
    """One run, trained and scored: a row for each number."""
    benchmark, config = BENCHMARKS[name], configuration(name)
    folder = RUNS / name / config / f"seed={seed}"
    print(f"{name}, seed {seed} → {folder}", flush=True)
    spent = folder / "cpu_seconds"
    before = float(spent.read_text()) if spent.exists() else 0.0
    if (folder / "config.yaml").exists():
        seconds = ran("gan-train", f"run={folder}")
    else:
        seconds = ran("gan-train", f"experiment={benchmark.experiment}", f"seed={seed}", f"hydra.run.dir='{folder}'")
    spent.write_text(f"{before + seconds}")
    ran("gan-evaluate", f"run={folder}", *benchmark.scores)
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    made = json.loads((folder / "result.json").read_text())["provenance"]
    shared = {
        "benchmark": name,
        "seed": seed,
        "commit": made["commit"][:8] + ("+" if made["dirty"] else ""),
        "config": config,
        "cpu_minutes": round((before + seconds) / 60, 2),
    }
    return [shared | {"score": score} | numbers for score, numbers in scores.items()]


def ran(command: str, *words: str) -> float:
    """CPU seconds of a command on one thread; its output goes to the run's log. Ends the script if the command fails."""
    log = RUNS / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with log.open("a") as out:
        line = [sys.executable, "-m", f"gan_lightning.{command.removeprefix('gan-')}", *words]
        child = subprocess.Popen(line, stdout=out, stderr=out, env=os.environ | one)
        _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{command} {' '.join(words)}: failed, see {log}")
    return usage.ru_utime + usage.ru_stime


def compared() -> list[dict[str, object]]:
    """The comparison of losses and regularizers: one sweep, a row for each number of each job that is finished."""
    folder = RUNS / "comparison"
    ran("gan-train", "-m", *SWEEP, f"hydra.sweep.dir={folder}")
    return collected(folder)


def collected(folder: Path) -> list[dict[str, object]]:
    """The rows of a sweep."""
    found: list[dict[str, object]] = []
    for path in sorted(folder.glob("*/result.json")):
        result = json.loads(path.read_text())
        if result["status"] != "finished":
            continue
        overrides = dict(word.split("=", 1) for word in result["overrides"])
        made = result["provenance"]
        for score, value in result["metrics"].items():
            found.append(
                {
                    "benchmark": f"comparison/{overrides['experiment']}/{overrides['loss']}/{overrides['regularizer']}",
                    "seed": overrides["seed"],
                    "commit": made["commit"][:8] + ("+" if made["dirty"] else ""),
                    "config": hashlib.sha256(json.dumps(SWEEP).encode()).hexdigest()[:8],
                    "cpu_minutes": round(result["seconds"] / 60, 2),
                    "score": score,
                    "generated": value,
                }
            )
    return found


def rows() -> list[dict[str, str]]:
    """What was measured so far."""
    if not ROWS.exists():
        return []
    with ROWS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keep(found: Sequence[Mapping[str, Any]]) -> None:
    """Put rows beside those that there are; those of another config of the same benchmark, or of the same run, go."""
    told = {(row["benchmark"], row["config"]) for row in found}
    again = {(row["benchmark"], str(row["seed"])) for row in found}
    settled = dict(told)
    kept: list[Mapping[str, Any]] = [
        row
        for row in rows()
        if row["config"] == settled.get(row["benchmark"], row["config"]) and (row["benchmark"], row["seed"]) not in again
    ]
    text = [*kept, *found]
    order = [*BENCHMARKS]
    text.sort(key=lambda row: (order.index(str(row["benchmark"])) if row["benchmark"] in order else 99, str(row["benchmark"])))
    with ROWS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(text)


def page() -> str:
    """docs/results.md."""
    told = rows()
    lines = [HEAD]
    for name, benchmark in BENCHMARKS.items():
        own = [row for row in told if row["benchmark"] == name]
        lines += section(name, benchmark, own) if own else unrun(benchmark)
    lines += comparison([row for row in told if row["benchmark"].startswith("comparison/")])
    return "\n".join(lines)


def section(name: str, benchmark: Benchmark, own: list[dict[str, str]]) -> list[str]:
    """A benchmark's part of the page."""
    seeds = sorted({int(row["seed"]) for row in own})
    cost = [float(row["cpu_minutes"]) for row in own if row["score"] == own[0]["score"]]
    made = ", ".join(sorted({row["commit"] for row in own}))
    stale = "" if own[0]["config"] == configuration(name) else " (the recipe has changed since)"
    lines = [
        f"## {benchmark.title}",
        "",
        f"`gan-train experiment={benchmark.experiment} seed=…` for {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
        + (f" of {benchmark.seeds} intended" if len(seeds) < benchmark.seeds else "")
        + f", {statistics.fmean(cost):.1f} CPU minutes each (goal: at most {benchmark.minutes:g}; worst {max(cost):.1f}), then",
        f"`gan-evaluate run=… {' '.join(benchmark.scores)}`. Commit {made}, config {own[0]['config']}{stale}.",
        "",
        "| score | published | goal | reached | worst seed | real |",
        "|---|---|---|---|---|---|",
    ]
    for goal in benchmark.goals:
        values = [float(row[goal.column]) for row in own if row["score"] == goal.score and row[goal.column]]
        real = [float(row["real"]) for row in own if row["score"] == goal.score and row["real"]]
        if not values:
            continue
        beside = f"{statistics.fmean(real):.4g}" if real and goal.column != "excess" else ""
        middle = f"{statistics.fmean(values):.4g}" + (f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")
        aimed = goal.least is not None or goal.most is not None
        mark = ("✓ " if goal.holds(values) else "✗ ") if aimed else ""
        worst = f"{(min if goal.least is not None else max)(values):.4g}"
        lines.append(f"| {goal.label} | {goal.published} | {goal.text() or '–'} | {mark}{middle} | {worst} | {beside} |")
    return [*lines, "", *([benchmark.note, ""] if benchmark.note else [])]


def unrun(benchmark: Benchmark) -> list[str]:
    """What stands where there is no row yet."""
    goals = "; ".join(f"{goal.label} {goal.text()}" for goal in benchmark.goals if goal.text())
    said = f"`gan-train experiment={benchmark.experiment}`: not run to the end yet. Goals: {goals}; {benchmark.minutes:g} CPU"
    return [f"## {benchmark.title}", "", f"{said} minutes.", "", *([benchmark.note, ""] if benchmark.note else [])]


COMPARED = {"ring_fast": ("reverse_kl", "high_quality", "modes"), "digits_fast": ("class_accuracy", "fid")}


def comparison(own: list[dict[str, str]]) -> list[str]:
    """The sweep's part of the page."""
    if not own:
        return []
    spent = sum({(row["benchmark"], row["seed"]): float(row["cpu_minutes"]) for row in own}.values())
    jobs, made = len({(row["benchmark"], row["seed"]) for row in own}), ", ".join(sorted({row["commit"] for row in own}))
    words = [f"gan-train -m {SWEEP[0]}", *(f"'{word}'" for word in SWEEP[1:]), "hydra.sweep.dir=multirun/comparison"]
    swept = " \\\n  ".join(words)
    lines = ["## Loss × regularizer", "", "The whole comparison is one command:", "", f"```\n{swept}\n```", ""]
    lines += [
        f"{jobs} jobs, {spent:.0f} minutes on one thread, commit {made}. The runs are short: these are not the best that a",
        "loss can reach; mean ± standard deviation over the seeds that are done, on the validation split, as training",
        "scored it.",
        "",
    ]
    for experiment, scores in COMPARED.items():
        here = [row for row in own if row["benchmark"].split("/")[1] == experiment]
        present = [s for s in scores if any(row["score"] == s for row in here)]
        lines += [f"| {experiment} | regularizer | {' | '.join(present)} |", "|---|---|" + "---|" * len(present)]
        for which in dict.fromkeys(row["benchmark"] for row in here):
            _, _, loss, regularizer = which.split("/")
            cells = []
            for score in present:
                chosen = [row for row in here if row["benchmark"] == which and row["score"] == score]
                values = [float(row["generated"] or "nan") for row in chosen]
                spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
                cells.append(f"{statistics.fmean(values):.3g}{spread}")
            lines.append(f"| {loss} | {regularizer} | {' | '.join(cells)} |")
        lines.append("")
    return lines


if __name__ == "__main__":
    main()
