"""Train the offline benchmarks over several seeds and write docs/results.md.

python scripts/reproduce.py [benchmark …] [--seeds N] [--jobs N] [--data mnist=FOLDER …]

The benchmarks are described in reproduce.yaml; those of a data set that does not come with the package need its folder. A run
is the command `gan-train` and then `gan-evaluate`, on one thread, in runs/reproduce/. The script may be stopped at any time: a
repeated call resumes the existing runs, and skips those that docs/results.csv already contains with the same config.
`--table` trains nothing and writes the page from the existing rows.
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
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from gan_lightning.config.compose import Composer
from gan_lightning.config.resolve import Plain
from gan_lightning.config.text_keys import quote_line
from gan_lightning.config.validate import validate

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 120  # of the page's text
RUNS, ROWS, PAGE = Path("runs/reproduce"), ROOT / "docs" / "results.csv", ROOT / "docs" / "results.md"
FIELDS = ("benchmark", "seed", "commit", "config", "cpu_minutes", "score", "generated", "real", "excess")
MONITORING = ("fork", "callback", "logger", "checkpoint", "name", "debug", "seed", "threads", "objective", "metric", "feature")
ADDED: dict[str, list[tuple[str, Any]]] = {  # keys that are newer than the results, with the value that trains as before
    "gan": [("fresh_real", False)],
    "data": [("train_samples", None), ("mirror", False)],
}


HEAD = """# Results

`python scripts/reproduce.py` writes this page from `docs/results.csv`; no figure was entered by hand. A run is
`gan-train` and then `gan-evaluate`, on one CPU thread without a GPU. A score is given as the mean ± standard deviation
over training seeds, with the worst seed beside it. Nothing was selected: the running average of the last checkpoint is
scored on the test split, with z that were not used in training. *Real* is the same score for real samples in place of
generated ones. Published figures are quoted from the text of the papers; where their data or networks differ, they show
what was known to be possible, and are not a comparison. A + after a commit means that files were not committed, such as
this page. Results of a *bare loop*, a plain training loop, are from code outside this repository.
"""


class Goal(BaseModel, extra="forbid", frozen=True):
    """Bound a number of a score's row between `least` and `most`, in the mean, or in every seed if `every`."""

    score: str
    label: str
    column: Literal["generated", "excess", "ratio"] = "generated"  # ratio: generated / real
    least: float | None = None
    most: float | None = None
    every: bool = False
    published: str = "–"

    def values(self, measured: Sequence[Mapping[str, str]]) -> list[float]:
        """Return the number of each row of this score that has one."""
        own = [row for row in measured if row["score"] == self.score]
        if self.column == "ratio":
            return [float(row["generated"]) / float(row["real"]) for row in own if row["generated"] and row["real"]]
        return [float(row[self.column]) for row in own if row[self.column]]

    def holds(self, values: list[float]) -> bool:
        """Return whether the values, one per seed, reach the goal."""
        compared = values if self.every else [statistics.fmean(values)]
        return all((self.least is None or v >= self.least) and (self.most is None or v <= self.most) for v in compared)

    def text(self) -> str:
        """Return the goal as text, such as `≥ 0.98 in every seed`; empty without a bound."""
        bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None]
        return " and ".join(bounds) + (" in every seed" if self.every else "")


class Benchmark(BaseModel, extra="forbid", frozen=True):
    """Describe an experiment, its data if it does not come with them, the arguments that score it, and its goals."""

    title: str
    experiment: str
    data: list[str] = []  # arguments of gan-train with the folder of a data set, such as data.root={mnist}
    scores: list[str]  # arguments of gan-evaluate
    seeds: int
    minutes: float  # the goal for the CPU minutes of a run on one core
    goals: list[Goal]
    note: str = ""

    def overrides(self, folders: Mapping[str, str]) -> list[str]:
        """Return the arguments of gan-train, with these folders. Raises KeyError for a data set that has none."""
        return [f"experiment={self.experiment}", *(argument.format_map(folders) for argument in self.data)]


class AnyFolder(dict[str, str]):
    """Name every data set's folder FOLDER."""

    def __missing__(self, name: str) -> str:
        """Return the word."""
        return "FOLDER"


DESCRIBED = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
BENCHMARKS = {name: Benchmark.model_validate(node) for name, node in DESCRIBED.items()}
SWEEP = (
    "experiment=ring_fast,digits_fast",
    "loss=minimax,non_saturating,least_squares,hinge,wasserstein,relativistic",
    "regularizer=none,r1,[r1,r2]",
    "seed=0,1,2",
)


def main() -> None:
    """Train the runs that are missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", default=[*BENCHMARKS, "comparison"], metavar="benchmark")
    parser.add_argument("--seeds", type=int, help="the number of seeds; the default is that of each benchmark")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="the number of runs at a time")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help="the folder of a data set")
    parser.add_argument("--table", action="store_true", help="write the page from the existing rows")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.benchmarks if name not in {*BENCHMARKS, "comparison"}]:
        parser.error(f"{unknown[0]}: no such benchmark; allowed: {', '.join([*BENCHMARKS, 'comparison'])}")
    if not arguments.table:
        measured = {(row["benchmark"], row["config"], row["seed"]) for row in rows()}
        folders = {name: str(Path(folder).absolute()) for name, _, folder in (text.partition("=") for text in arguments.data)}
        missing = [
            (name, seed, folders)
            for name in with_data(arguments.benchmarks, folders)
            for seed in range(arguments.first, arguments.first + (arguments.seeds or BENCHMARKS[name].seeds))
            if (name, configuration(name), str(seed)) not in measured
        ]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for new_rows in pool.map(lambda job: run_benchmark(*job), missing):
                keep(new_rows)
                PAGE.write_text(page(), encoding="utf-8")
        if "comparison" in arguments.benchmarks:
            keep(run_comparison())
    PAGE.write_text(page(), encoding="utf-8")


def with_data(names: Sequence[str], folders: Mapping[str, str]) -> Iterator[str]:
    """Yield the benchmarks whose data sets have folders; of the others, say what is missing."""
    for name in (name for name in names if name in BENCHMARKS):
        try:
            BENCHMARKS[name].overrides(folders)
        except KeyError as missing:
            print(f"{name}: skipped; it needs --data {missing.args[0]}=FOLDER", flush=True)
        else:
            yield name


def training_config(overrides: list[str]) -> Plain:
    """Return the part of a config that determines how a run trains, without the groups in MONITORING."""
    composer = Composer()
    config = validate(composer.compose(quote_line(composer, overrides, sweep=False)))
    plain = {group: node for group, node in config.items() if group not in MONITORING}
    for group, added in ADDED.items():
        plain[group] = {key: value for key, value in plain[group].items() if (key, value) not in added}
    return plain


def configuration(name: str) -> str:
    """Return a short hash of a benchmark's training config and of the arguments that score it."""
    benchmark = BENCHMARKS[name]
    return short_hash([trained_config(benchmark), benchmark.scores])


def trained_config(benchmark: Benchmark) -> Any:
    """Return what determines how a benchmark's run trains, but not where its data are."""
    return without_paths(training_config(benchmark.overrides(AnyFolder())))


def short_hash(content: Any) -> str:
    """Return a short hash of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def without_paths(node: Any) -> Any:
    """Replace each `_target_` by its last two names, such as `mlp.Generator`: moving a class does not change the hash."""
    if isinstance(node, dict):
        return {k: ".".join(v.split(".")[-2:]) if k == "_target_" else without_paths(v) for k, v in node.items()}
    return [without_paths(inner) for inner in node] if isinstance(node, list) else node


def run_benchmark(name: str, seed: int, folders: Mapping[str, str]) -> list[dict[str, object]]:
    """Train one run, or take that of another benchmark of the same experiment, score it, and return a row for each number."""
    benchmark = BENCHMARKS[name]
    folder = RUNS / benchmark.experiment / short_hash(trained_config(benchmark)) / f"seed={seed}"
    print(f"{name}, seed {seed} → {folder}", flush=True)
    seconds = train_benchmark([*benchmark.overrides(folders), f"seed={seed}"], folder)
    scores = folder / f"{name}.json"
    run_command("gan-evaluate", f"run={folder}", *benchmark.scores, f"out={scores}")
    shared = {
        "benchmark": name,
        "seed": seed,
        "commit": short_commit(json.loads((folder / "result.json").read_text())["provenance"]),
        "config": configuration(name),
        "cpu_minutes": round(seconds / 60, 2),
    }
    return [shared | {"score": score} | numbers for score, numbers in json.loads(scores.read_text())["scores"].items()]


def train_benchmark(overrides: list[str], folder: Path) -> float:
    """Train the run in a folder to its end, unless it has been, and return the CPU seconds of all its commands."""
    seconds_file, result = folder / "cpu_seconds", folder / "result.json"
    if not result.exists() or json.loads(result.read_text())["status"] != "finished":
        begun = (folder / "config.yaml").exists()
        line = [f"run={folder}"] if begun else [*overrides, f"hydra.run.dir='{folder}'"]
        run_command("gan-train", *line, seconds_file=seconds_file)
    return stored_seconds(seconds_file)


def short_commit(provenance: dict[str, Any]) -> str:
    """Return the first digits of a run's commit, with a + if files were not committed."""
    return str(provenance["commit"])[:8] + ("+" if provenance["dirty"] else "")


def run_command(command: str, *arguments: str, seconds_file: Path | None = None) -> None:
    """Run a command on one thread, and add its CPU seconds to those in a file; its output is appended to RUNS/log.txt.

    Raises SystemExit if the command fails.
    """
    log = RUNS / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with log.open("a") as out:
        line = [sys.executable, "-m", f"gan_lightning.cli.{command.removeprefix('gan-')}", *arguments]
        child = subprocess.Popen(line, stdout=out, stderr=out, env=os.environ | one_thread)
        _, status, usage = os.wait4(child.pid, 0)
    if seconds_file is not None and seconds_file.parent.is_dir():
        seconds_file.write_text(f"{stored_seconds(seconds_file) + usage.ru_utime + usage.ru_stime}")
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{command} {' '.join(arguments)}: failed, see {log}")


def stored_seconds(seconds_file: Path) -> float:
    """Return the CPU seconds in a file; 0 without it."""
    return float(seconds_file.read_text()) if seconds_file.exists() else 0.0


def run_comparison() -> list[dict[str, object]]:
    """Run the sweep over losses and regularizers, and return a row for each number of each finished job."""
    folder = RUNS / "comparison"
    run_command("gan-train", "-m", *SWEEP, f"hydra.sweep.dir={folder}")
    return collect_sweep(folder)


def collect_sweep(folder: Path) -> list[dict[str, object]]:
    """Return a row for each number of each finished job of a sweep."""
    collected: list[dict[str, object]] = []
    for path in sorted(folder.glob("*/result.json")):
        result = json.loads(path.read_text())
        if result["status"] != "finished":
            continue
        overrides = dict(override.split("=", 1) for override in result["overrides"])
        for score, value in result["metrics"].items():
            collected.append(
                {
                    "benchmark": f"comparison/{overrides['experiment']}/{overrides['loss']}/{overrides['regularizer']}",
                    "seed": overrides["seed"],
                    "commit": short_commit(result["provenance"]),
                    "config": short_hash(SWEEP),
                    "cpu_minutes": round(result["seconds"] / 60, 2),
                    "score": score,
                    "generated": value,
                }
            )
    return collected


def rows() -> list[dict[str, str]]:
    """Return the rows of docs/results.csv."""
    if not ROWS.exists():
        return []
    with ROWS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keep(new_rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new rows to docs/results.csv in place of those of the same run, and of older configs of the same benchmark."""
    configs = {row["benchmark"]: row["config"] for row in new_rows}
    runs = {(row["benchmark"], str(row["seed"])) for row in new_rows}
    merged: list[Mapping[str, Any]] = [
        row
        for row in rows()
        if row["config"] == configs.get(row["benchmark"], row["config"]) and (row["benchmark"], row["seed"]) not in runs
    ]
    merged += new_rows
    order = [*BENCHMARKS]
    merged.sort(
        key=lambda row: (order.index(str(row["benchmark"])) if row["benchmark"] in order else 99, str(row["benchmark"]))
    )
    with ROWS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(merged)


def page() -> str:
    """Return the text of docs/results.md."""
    all_rows = rows()
    lines = [HEAD]
    for name, benchmark in BENCHMARKS.items():
        measured = [row for row in all_rows if row["benchmark"] == name]
        lines += benchmark_section(name, benchmark, measured) if measured else placeholder_section(benchmark)
    lines += comparison_section([row for row in all_rows if row["benchmark"].startswith("comparison/")])
    return "\n".join(lines)


def benchmark_section(name: str, benchmark: Benchmark, measured: list[dict[str, str]]) -> list[str]:
    """Return the lines of a benchmark's section, from its rows."""
    seeds = sorted({int(row["seed"]) for row in measured})
    minutes = [float(row["cpu_minutes"]) for row in measured if row["score"] == measured[0]["score"]]
    commits = ", ".join(sorted({row["commit"] for row in measured}))
    stale = "" if measured[0]["config"] == configuration(name) else " (the recipe has changed since)"
    runs = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    runs += f" of {benchmark.seeds} intended" if len(seeds) < benchmark.seeds else ""
    cost = f"{statistics.fmean(minutes):.1f} CPU minutes each (goal: at most {benchmark.minutes:g}; worst {max(minutes):.1f})"
    lines = [
        f"## {benchmark.title}",
        "",
        f"`gan-train {' '.join(benchmark.overrides(AnyFolder()))} seed=…` for {runs}, {cost}, then",
        f"`gan-evaluate run=… {' '.join(benchmark.scores)}`. Commit {commits}, config {measured[0]['config']}{stale}.",
        "",
        "| score | published | goal | reached | worst seed | real |",
        "|---|---|---|---|---|---|",
    ]
    lines += [line for goal in benchmark.goals if (line := goal_row(goal, measured))]
    return [*lines, "", *([benchmark.note, ""] if benchmark.note else [])]


def goal_row(goal: Goal, measured: list[dict[str, str]]) -> str | None:
    """Return the line of a goal in its benchmark's table; None if its score was not measured."""
    values = goal.values(measured)
    real_values = [float(row["real"]) for row in measured if row["score"] == goal.score and row["real"]]
    if not values:
        return None
    real = f"{statistics.fmean(real_values):.4g}" if real_values and goal.column == "generated" else ""
    mean = f"{statistics.fmean(values):.4g}" + (f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")
    bounded = goal.least is not None or goal.most is not None
    mark = ("✓ " if goal.holds(values) else "✗ ") if bounded else ""
    worst = f"{(min if goal.least is not None else max)(values):.4g}"
    return f"| {goal.label} | {goal.published} | {goal.text() or '–'} | {mark}{mean} | {worst} | {real} |"


def placeholder_section(benchmark: Benchmark) -> list[str]:
    """Return the lines of a section without rows: the goals."""
    goals = "; ".join(f"{goal.label} {goal.text()}" for goal in benchmark.goals if goal.text())
    text = (
        f"`gan-train {' '.join(benchmark.overrides(AnyFolder()))}`: not measured yet. Goals: {goals}; "
        f"{benchmark.minutes:g} CPU minutes."
    )
    text = textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"## {benchmark.title}", "", text, "", *([benchmark.note, ""] if benchmark.note else [])]


COMPARISON_SCORES = {"ring_fast": ("reverse_kl", "high_quality", "modes"), "digits_fast": ("class_accuracy", "fid")}


def comparison_section(measured: list[dict[str, str]]) -> list[str]:
    """Return the lines of the sweep's section, from its rows."""
    if not measured:
        return []
    minutes = {(row["benchmark"], row["seed"]): float(row["cpu_minutes"]) for row in measured}
    commits = ", ".join(sorted({row["commit"] for row in measured}))
    parts = [f"gan-train -m {SWEEP[0]}", *(f"'{part}'" for part in SWEEP[1:]), "hydra.sweep.dir=multirun/comparison"]
    command = " \\\n  ".join(parts)
    lines = ["## Loss × regularizer", "", "The whole comparison is one command:", "", f"```\n{command}\n```", ""]
    lines += [
        f"{len(minutes)} jobs, {sum(minutes.values()):.0f} minutes on one thread, commit {commits}. The runs are short, so",
        "these are not the best scores that a loss can reach. Each cell is the mean ± standard deviation over the finished",
        "seeds, as measured on the validation split during training.",
        "",
    ]
    for experiment, scores in COMPARISON_SCORES.items():
        lines += [*comparison_table(experiment, scores, measured), ""]
    return lines


def comparison_table(experiment: str, scores: Sequence[str], measured: list[dict[str, str]]) -> list[str]:
    """Return the lines of one experiment's table: a row for each combination of loss and regularizer."""
    own_rows = [row for row in measured if row["benchmark"].split("/")[1] == experiment]
    columns = [score for score in scores if any(row["score"] == score for row in own_rows)]
    lines = [f"| {experiment} | regularizer | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for benchmark in dict.fromkeys(row["benchmark"] for row in own_rows):
        _, _, loss, regularizer = benchmark.split("/")
        cells = []
        for score in columns:
            chosen = [row for row in own_rows if row["benchmark"] == benchmark and row["score"] == score]
            values = [float(row["generated"] or "nan") for row in chosen]
            spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.3g}{spread}")
        lines.append(f"| {loss} | {regularizer} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
