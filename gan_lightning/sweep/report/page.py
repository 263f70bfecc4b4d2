"""The page of a report: the findings of a sweep as one HTML file, with curves and samples."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lightning.storage.printable import printable
from gan_lightning.sweep.report import commands, drawing
from gan_lightning.sweep.report.collect import NEVER, Job
from gan_lightning.sweep.report.drawing import Line
from gan_lightning.sweep.report.effects import MIN_SEEDS, Effect
from gan_lightning.sweep.report.findings import Findings
from gan_lightning.sweep.report.formatting import format_interval, format_p, format_time, format_value
from gan_lightning.sweep.report.groups import Group, summarize

MAX_GROUPS, MAX_EFFECTS, MAX_FAILURES, MAX_RUNS = 200, 120, 100, 1000  # rows of a table
UNFOLDED = 24  # rows of a table that are shown without a click
MAX_CHARTS = 14
MAX_ROWS, MAX_COLUMNS = 12, 6  # of a montage


def render_page(findings: Findings) -> str:
    """Return the page as HTML; the template escapes every value except the charts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"value": format_value, "p_value": format_p, "interval": format_interval}
    return environment.get_template(
        "page.html"
    ).render(
        findings=findings,
        title=printable(findings.sweep.path.resolve().name),
        written=format_time(time.time()),
        unfolded=UNFOLDED,
        tensorboard=commands.tensorboard_command(findings.sweep.path),
        groups=[group_row(findings, group, i) for i, group in enumerate(findings.groups[:MAX_GROUPS])],
        groups_omitted=max(0, len(findings.groups) - MAX_GROUPS),
        comparisons=[
            (measure, sorted(effects, key=by_p)[:MAX_EFFECTS], max(0, len(effects) - MAX_EFFECTS))
            for measure, effects in findings.effects
        ],
        num_tests=sum(effect.seeds >= MIN_SEEDS for _, effects in findings.effects for effect in effects),
        charts=[(name, Markup(svg)) for name, svg in charts(findings)],  # noqa: S704 - drawn here, escaped by matplotlib
        montages=montages(findings),
        failures=group_failures(findings.failures()),
        alarms=findings.alarms()[:MAX_FAILURES],
        alarms_omitted=max(0, sum(len(job.alarms) for job in findings.jobs) - MAX_FAILURES),
        runs=[run_row(job) for group in findings.groups for job in group.jobs][:MAX_RUNS],
        runs_omitted=max(0, len(findings.jobs) - MAX_RUNS),
        never=NEVER,
    )


def by_p(effect: Effect) -> tuple[bool, float]:
    """Return a sort key: the smallest p first, effects without one last."""
    return (not math.isfinite(effect.p), effect.p)


def run_row(job: Job) -> tuple[Job, str, str, str]:
    """Return a run and its commands: repeat, resume, open in TensorBoard."""
    return job, commands.repeat_command(job), commands.resume_command(job), commands.tensorboard_command(job.path)


def group_failures(failures: Sequence[tuple[Job, str]]) -> list[tuple[str, str, list[Job]]]:
    """Group runs of the same status and reason as (status, reason, runs), the largest group first."""
    groups: Mapping[tuple[str, str], list[Job]] = defaultdict(list)
    for job, reason in failures:
        groups[job.status, reason].append(job)
    largest = sorted(groups.items(), key=lambda item: -len(item[1]))[:MAX_FAILURES]
    return [(status, reason, jobs) for (status, reason), jobs in largest]


def group_row(findings: Findings, group: Group, rank: int) -> dict[str, Any]:
    """Return a group's row: its metrics, and the place of each score between the least and the greatest of all, in percent."""
    objective = findings.objective
    every = [score for g in findings.groups for score in (g.scores(objective) if objective else [])]
    low, high = (min(every), max(every)) if every else (0.0, 0.0)
    scores = group.scores(objective) if objective else []
    places = [100 * (score - low) / (high - low) if high > low else 50.0 for score in scores]
    return {
        "rank": rank + 1 if scores else "",
        "levels": list(group.values.values()),
        "colour": findings.colours.get(group.name),
        "finished": len(group.finished),
        "total": len(group.jobs),
        "places": [f"{place:.1f}" for place in places],
        "mean": f"{sum(places) / len(places):.1f}" if places else None,
        "metrics": [(summarize(group.scores(name)), name == objective) for name in findings.metrics],
    }


# ── charts and samples ─────────────────────────────────────────────────────────────────────────────────────────────────────
def charts(findings: Findings) -> list[tuple[str, str]]:
    """Draw the objective, the losses and the other metrics over steps, and the first also over images, as (title, SVG)."""
    tags = {tag for job in findings.jobs for tag in job.curves}
    objective, colours = f"metric/{findings.objective}", list(findings.colours)
    ordered = [objective, "loss/d", "loss/g", *(f"metric/{name}" for name in findings.metrics), *sorted(tags)]
    shown = [tag for tag in dict.fromkeys(ordered) if tag in tags and (tag != "objective" or objective not in tags)]
    drawn = []
    for tag in shown[:MAX_CHARTS]:
        if lines := curve_lines(findings, tag):
            drawn.append((tag.removeprefix("metric/"), drawing.draw_chart(lines, colours, "steps")))
    if drawn and len({job.images_per_step for job in findings.jobs if job.curves}) > 1:
        per_step = {group.name: float(group.jobs[0].images_per_step or 1) for group in findings.groups}
        lines = {name: line._replace(scale=per_step[name]) for name, line in curve_lines(findings, shown[0]).items()}
        title = f"{shown[0].removeprefix('metric/')}, by images seen"
        drawn.insert(1, (title, drawing.draw_chart(lines, colours, "images")))
    return drawn


def curve_lines(findings: Findings, tag: str) -> dict[str, Line]:
    """Return group → line of a tag, from the finished runs, or from all where none finished."""
    lines = {}
    for group in findings.groups:
        curves = [job.curves[tag] for job in group.finished or group.jobs if tag in job.curves]
        if curves:
            lines[group.name] = Line(curves)
    return lines


def montages(findings: Findings) -> list[dict[str, Any]]:
    """Return up to two tables of samples: configurations by seeds at the last common step, and by steps for one seed."""
    shown = findings.groups[:MAX_ROWS]
    seeds = list(dict.fromkeys(job.seed for group in findings.groups for job in group.jobs))
    seeds = sorted(seeds, key=lambda s: (0, int(s), s) if re.fullmatch("[0-9]{1,18}", s) else (1, 0, s))[:MAX_COLUMNS]
    jobs = {(group.name, s): job for group in shown for s in seeds for job in group.jobs if job.seed == s}
    pictured = [job for job in jobs.values() if job.pictures]
    if not pictured:
        return []
    finished = [job for job in pictured if job.finished] or pictured
    step = max(set.intersection(*({*job.pictures} for job in finished)), default=None)
    groups_omitted, seeds_omitted = len(findings.groups) - len(shown), len({job.seed for job in findings.jobs}) - len(seeds)
    omitted = [f"{groups_omitted} more configurations"] * (groups_omitted > 0)
    tables = []
    if step is not None:
        rows = [(group.name, [montage_cell(jobs.get((group.name, s)), step) for s in seeds]) for group in shown]
        rest = [*omitted, *[f"{seeds_omitted} more seeds"] * (seeds_omitted > 0)]
        tables.append({"title": f"step {step:,}", "columns": [f"seed {s}" for s in seeds], "rows": rows, "omitted": rest})
    seed = max(seeds, key=lambda s: sum(job.seed == s for job in pictured))
    saved = sorted({at for job in pictured if job.seed == seed for at in job.pictures})
    steps = evenly_spaced(saved, MAX_COLUMNS)
    if len(steps) > 1:
        rows = [(group.name, [montage_cell(jobs.get((group.name, seed)), at) for at in steps]) for group in shown]
        rest = [*omitted, *[f"{len(saved) - len(steps)} more steps"] * (len(saved) > len(steps))]
        tables.append({"title": f"seed {seed}", "columns": [f"step {at:,}" for at in steps], "rows": rows, "omitted": rest})
    return tables


def evenly_spaced(items: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the items at equal distances, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def montage_cell(job: Job | None, step: int) -> dict[str, str | None]:
    """Return a thumbnail and its description, or the reason why there is none."""
    if job is None:
        return {"image": None, "reason": "not in the sweep"}
    path = job.pictures.get(step)
    if path is None:
        return {"image": None, "reason": job.status if not job.finished else "no picture"}
    image = drawing.thumbnail(path)
    return {"image": image, "alt": f"{job.directory}, step {step}"} if image else {"image": None, "reason": "damaged"}
