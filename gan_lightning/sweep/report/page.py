"""A sweep on one page: its findings as HTML, with curves and samples."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lightning.sweep.report import commands, drawing
from gan_lightning.sweep.report.collect import NEVER, Job
from gan_lightning.sweep.report.drawing import Line
from gan_lightning.sweep.report.effects import LEAST, Effect
from gan_lightning.sweep.report.findings import Findings, Group, format_interval, format_p, format_time, format_value, summarize

GROUPS, EFFECTS, TROUBLES, RUNS = 200, 120, 100, 1000  # rows of a table, at most
FIRST = 24  # of those, that are shown without being asked
CHARTS = 14
ROWS, COLUMNS = 12, 6  # of a montage


def render_page(findings: Findings) -> str:
    """One HTML file; the template escapes all that it is given, but for the charts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"short": format_value, "chance": format_p}
    return environment.get_template(
        "page.html"
    ).render(
        findings=findings,
        title=findings.sweep.path.resolve().name,
        written=format_time(time.time()),
        first=FIRST,
        opened=commands.tensorboard_command(findings.sweep.path),
        groups=[group_row(findings, g, i) for i, g in enumerate(findings.groups[:GROUPS])],
        groups_left=max(0, len(findings.groups) - GROUPS),
        comparisons=[
            (m, sorted(found, key=certainty)[:EFFECTS], max(0, len(found) - EFFECTS)) for m, found in findings.effects
        ],
        tests=sum(e.seeds >= LEAST for _, found in findings.effects for e in found),
        charts=[(name, Markup(svg)) for name, svg in charts(findings)],  # noqa: S704 - drawn here, escaped by matplotlib
        coloured=findings.colours,
        montages=montages(findings),
        troubles=group_troubles(findings.troubles()),
        alarms=findings.alarms()[:TROUBLES],
        alarms_left=max(0, sum(len(job.alarms) for job in findings.jobs) - TROUBLES),
        runs=[
            (job, commands.repeat_command(job), commands.resume_command(job), commands.tensorboard_command(job.path))
            for g in findings.groups
            for job in g.jobs
        ][:RUNS],
        runs_left=max(0, len(findings.jobs) - RUNS),
        interval=format_interval,
        never=NEVER,
    )


def certainty(effect: Effect) -> tuple[bool, float]:
    """Most certain first."""
    return (not math.isfinite(effect.p), effect.p)


def group_troubles(troubles: Sequence[tuple[Job, str]]) -> list[tuple[str, str, list[Job]]]:
    """Status, reason, runs: what many runs share is said once."""
    found: Mapping[tuple[str, str], list[Job]] = defaultdict(list)
    for job, why in troubles:
        found[job.status, why].append(job)
    return [(status, why, jobs) for (status, why), jobs in sorted(found.items(), key=lambda item: -len(item[1]))][:TROUBLES]


def group_row(findings: Findings, group: Group, rank: int) -> dict[str, Any]:
    """A row of the first table: its numbers, and where each seed lies between the worst and the best of all."""
    every = [s for g in findings.groups for s in (g.scores(findings.by) if findings.by else [])]
    low, high = (min(every), max(every)) if every else (0.0, 0.0)
    own = group.scores(findings.by) if findings.by else []
    places = [100 * (s - low) / (high - low) if high > low else 50.0 for s in own]
    return {
        "rank": rank + 1 if own else "",
        "given": list(group.values.items()),
        "colour": findings.colours.get(group.name),
        "finished": len(group.finished),
        "total": len(group.jobs),
        "places": [f"{p:.1f}" for p in places],
        "middle": f"{sum(places) / len(places):.1f}" if places else None,
        "metrics": [(summarize(group.scores(name)), name == findings.by) for name in findings.metrics],
    }


# ── pictures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
def charts(findings: Findings) -> list[tuple[str, str]]:
    """Title and SVG: the objective, the losses, the other scores, over steps; the objective over images, too."""
    tags = {tag for job in findings.jobs for tag in job.curves}
    ordered = [f"metric/{findings.by}", "loss/d", "loss/g", *(f"metric/{name}" for name in findings.metrics), *sorted(tags)]
    shown = [t for t in dict.fromkeys(ordered) if t in tags and (t != "objective" or f"metric/{findings.by}" not in tags)]
    found = []
    for tag in shown[:CHARTS]:
        if drawn := lines(findings, tag):
            found.append((tag.removeprefix("metric/"), drawing.chart(drawn, list(findings.colours), "steps")))
    if found and len({job.images_per_step for job in findings.jobs if job.curves}) > 1:
        tag = shown[0]
        seen = {g.name: g for g in findings.groups}
        scaled = {
            n: line._replace(scale=float(seen[n].jobs[0].images_per_step or 1)) for n, line in lines(findings, tag).items()
        }
        found.insert(
            1, (f"{tag.removeprefix('metric/')}, by images seen", drawing.chart(scaled, list(findings.colours), "images"))
        )
    return found


def lines(findings: Findings, tag: str) -> dict[str, Line]:
    """Of those that finished, or of all where none did."""
    found = {}
    for group in findings.groups:
        curves = [job.curves[tag] for job in group.finished or group.jobs if tag in job.curves]
        if curves:
            found[group.name] = Line(curves)
    return found


def montages(findings: Findings) -> list[dict[str, Any]]:
    """The same step for all: configurations by seeds, and configurations by steps."""
    shown = findings.groups[:ROWS]
    seeds = list(dict.fromkeys(job.seed for group in findings.groups for job in group.jobs))
    seeds = sorted(seeds, key=lambda s: (not s.isdigit(), int(s) if s.isdigit() else 0, s))[:COLUMNS]
    jobs = {(g.name, s): job for g in shown for s in seeds for job in g.jobs if job.seed == s}
    pictured = [j for j in jobs.values() if j.pictures and j.finished] or [j for j in jobs.values() if j.pictures]
    if not pictured:
        return []
    step = max(set.intersection(*({*j.pictures} for j in pictured)), default=None)
    left = len(findings.groups) - len(shown)
    count = len({job.seed for job in findings.jobs})
    found = []
    if step is not None:
        cells = [(g.name, [montage_cell(jobs.get((g.name, s)), step) for s in seeds]) for g in shown]
        rest = [f"{left} more configurations"] * (left > 0) + [f"{count - len(seeds)} more seeds"] * (count > len(seeds))
        found.append({"title": f"step {step:,}", "columns": [f"seed {s}" for s in seeds], "rows": cells, "left": rest})
    seed = max(seeds, key=lambda s: sum(bool(j.pictures) for (_, t), j in jobs.items() if t == s))
    there = sorted({at for (_, s), j in jobs.items() if s == seed for at in j.pictures})
    steps = [there[round(i * (len(there) - 1) / (COLUMNS - 1))] for i in range(COLUMNS)] if len(there) > COLUMNS else there
    if len(steps) > 1:
        cells = [(g.name, [montage_cell(jobs.get((g.name, seed)), at) for at in steps]) for g in shown]
        rest = [f"{left} more configurations"] * (left > 0)
        rest += [f"{len(there) - len(steps)} more steps"] * (len(there) > len(steps))
        found.append({"title": f"seed {seed}", "columns": [f"step {at:,}" for at in steps], "rows": cells, "left": rest})
    return found


def montage_cell(job: Job | None, step: int) -> dict[str, str | None]:
    """A thumbnail, or why there is none."""
    if job is None:
        return {"image": None, "said": "not in the sweep"}
    path = job.pictures.get(step)
    if path is None:
        return {"image": None, "said": job.status if not job.finished else "no picture"}
    found = drawing.thumbnail(path)
    return {"image": found, "alt": f"{job.directory}, step {step}"} if found else {"image": None, "said": "damaged"}
