"""The page's twins, for a spreadsheet and for a terminal: one row a run as CSV, and its tables as Markdown."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

from gan_lightning.sweep.report.findings import Findings, format_interval, format_p, summarize

ALARMS = 100  # rows, at most


def csv_table(findings: Findings) -> str:
    """One row a run, as CSV."""
    held = io.StringIO()
    write = csv.writer(held, lineterminator="\n").writerow
    fixed = ["directory", "status", "reason", "step", "seconds", "images_seen", "seed"]
    write(
        [*fixed, *findings.factors, "objective", *findings.metrics, "best_step", "best_objective", "alarms", "commit", "damage"]
    )
    for group in findings.groups:
        for job in group.jobs:
            images = "" if job.images_per_step is None else job.step * job.images_per_step
            best = job.best or ("", "")
            row: list[Any] = [
                job.directory,
                job.status,
                job.reason or "",
                job.step,
                job.seconds,
                images,
                job.seed,
                *group.values.values(),
            ]
            row += [job.objective, *(job.metrics.get(name) for name in findings.metrics), *best]
            write([escape_formula(v) for v in [*row, len(job.alarms), job.commit or "", "; ".join(job.damage)]])
    return held.getvalue()


def escape_formula(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "@", "+", "-", "\t", "\r") else value


def markdown(findings: Findings) -> str:
    """The page's tables, without its pictures."""
    lines = [f"# {escape_markdown(findings.sweep.path.resolve().name)}", ""]
    lines += [f"- {name}: {escape_markdown(value)}" for name, value in findings.head()]
    lines += [f"- {escape_markdown(note)}" for note in findings.notes()]
    lines += [
        "",
        "## Configurations",
        "",
        *markdown_table([*findings.factors, "finished", *findings.metrics], configuration_rows(findings)),
    ]
    if any(found for _, found in findings.effects):
        lines += [
            "",
            "## Effects",
            "",
            *markdown_table(["factor", "compared", "when", "seeds", "difference", "p", "verdict"], effect_rows(findings)),
        ]
    if troubles := findings.troubles():
        lines += ["", "## Not finished, or damaged", ""]
        lines += markdown_table(
            ["run", "status", "step", "why"], [[j.directory, j.status, str(j.step), why] for j, why in troubles]
        )
    if alarms := findings.alarms():
        lines += ["", "## Alarms", ""]
        lines += markdown_table(
            ["run", "step", "alarm", "message"], [[j.directory, str(s), n, m] for j, s, n, m in alarms[:ALARMS]]
        )
    return "\n".join(lines) + "\n"


def configuration_rows(findings: Findings) -> list[list[str]]:
    """A row a configuration."""
    return [
        [
            *group.values.values(),
            f"{len(group.finished)} of {len(group.jobs)}",
            *(str(summarize(group.scores(name)) or "") for name in findings.metrics),
        ]
        for group in findings.groups
    ]


def effect_rows(findings: Findings) -> list[list[str]]:
    """A row a comparison."""
    return [
        [e.factor, f"{e.one} − {e.other}", m.title, str(e.seeds), format_interval(e), format_p(e.adjusted), findings.verdict(e)]
        for m, found in findings.effects
        for e in found
    ]


def markdown_table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(escape_markdown(x) if line is not lines[1] else x for x in line) + " |" for line in lines]


def escape_markdown(text: str) -> str:
    """Text that Markdown takes for text."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "\\`").replace("[", "\\[")
