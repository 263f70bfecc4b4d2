"""The tables of a report: one row for each run as CSV, and the tables of the page as Markdown."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gan_lightning.storage.printable import printable
from gan_lightning.sweep.report.collect import Job
from gan_lightning.sweep.report.findings import Findings
from gan_lightning.sweep.report.formatting import format_interval, format_p
from gan_lightning.sweep.report.groups import Group, summarize

MAX_ALARMS = 100  # rows
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def csv_table(findings: Findings) -> str:
    """Return one row for each run, as CSV."""
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\n").writerow
    fixed = ["directory", "status", "reason", "step", "seconds", "images_seen", "seed"]
    scores = ["objective", *findings.metrics, "best_step", "best_objective"]
    write([escape_formula(name) for name in [*fixed, *findings.factors, *scores, "alarms", "commit", "damage"]])
    for group in findings.groups:
        for job in group.jobs:
            write([escape_formula(value) for value in csv_row(findings, group, job)])
    return buffer.getvalue()


def csv_row(findings: Findings, group: Group, job: Job) -> list[Any]:
    """Return the values of a run's row, in the order of `csv_table`'s header."""
    images = "" if job.images_per_step is None else job.step * job.images_per_step
    return [
        *(job.directory, job.status, job.reason or "", job.step, job.seconds, images, job.seed),
        *group.values.values(),
        *(job.objective, *(job.metrics.get(name) for name in findings.metrics), *(job.best or ("", ""))),
        *(len(job.alarms), job.commit or "", "; ".join(job.damage)),
    ]


def escape_formula(value: Any) -> Any:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe; a number is left as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("=", "@", "+", "-")) or NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def markdown(findings: Findings) -> str:
    """Return the tables of the page as Markdown."""
    lines = [f"# {escape_markdown(printable(findings.sweep.path.resolve().name))}", ""]
    lines += [f"- {name}: {escape_markdown(value)}" for name, value in findings.header()]
    lines += [f"- {escape_markdown(note)}" for note in findings.notes()]
    columns = [*findings.factors, "finished", *findings.metrics]
    lines += ["", "## Configurations", "", *markdown_table(columns, configuration_rows(findings))]
    if any(effects for _, effects in findings.effects):
        columns = ["factor", "compared", "when", "seeds", "difference", "p", "verdict"]
        lines += ["", "## Effects", "", *markdown_table(columns, effect_rows(findings))]
    if failures := findings.failures():
        rows = [[job.directory, job.status, str(job.step), reason] for job, reason in failures]
        lines += ["", "## Not finished, or damaged", "", *markdown_table(["run", "status", "step", "why"], rows)]
    if alarms := findings.alarms():
        rows = [[job.directory, str(step), name, message] for job, step, name, message in alarms[:MAX_ALARMS]]
        lines += ["", "## Alarms", "", *markdown_table(["run", "step", "alarm", "message"], rows)]
    return "\n".join(lines) + "\n"


def configuration_rows(findings: Findings) -> list[list[str]]:
    """Return one row for each configuration: its values, how many of its runs finished, its metrics."""
    return [
        [
            *group.values.values(),
            f"{len(group.finished)} of {len(group.jobs)}",
            *(str(summarize(group.scores(name)) or "") for name in findings.metrics),
        ]
        for group in findings.groups
    ]


def effect_rows(findings: Findings) -> list[list[str]]:
    """Return one row for each comparison of two values."""
    return [
        [
            *(effect.factor, f"{effect.first} − {effect.second}", measure.title, str(effect.seeds)),
            *(format_interval(effect), format_p(effect.adjusted), findings.verdict(effect)),
        ]
        for measure, effects in findings.effects
        for effect in effects
    ]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, its cells escaped."""
    lines = [map(escape_markdown, header), ["---"] * len(header), *(map(escape_markdown, row) for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown shows it on one line as it is."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "\\`").replace("[", "\\[")
