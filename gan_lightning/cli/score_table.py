"""The text table of a gan-evaluate report."""

from __future__ import annotations

from gan_lightning.config.resolve import Plain

COLUMNS = ("generated", "real", "excess")


def score_table(report: Plain) -> str:
    """Return the table of scores, followed by the protocol."""
    rows = [("", *COLUMNS)]
    for name, row in report["scores"].items():
        rows.append((name, *(format_score(row[column]) if column in row else "" for column in COLUMNS)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in rows
    ]
    protocol = report["protocol"]
    reference = f"{protocol['reference']['samples']} real samples of the {protocol['reference']['split']} split"
    lines = {
        "samples": ", ".join(f"{n} for {name}" for name, n in protocol["samples"].items()),
        "against": reference,
        "feature": f"{protocol['feature']}, resizer: {protocol['resizer']}",
    }
    lines |= {key: str(protocol[key]) for key in ("step", "seed", "weights", "batch_norm") if key in protocol}
    return "\n".join([*table, "", *(f"  {key:<10}  {text}" for key, text in lines.items() if not text.startswith("None"))])


def format_score(value: float | None) -> str:
    """Return a score with four significant digits; None, which replaces NaN and infinity in a report, as text."""
    return "not a number" if value is None else f"{value:.4g}"
