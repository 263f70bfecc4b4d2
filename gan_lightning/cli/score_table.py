"""The text table of a gan-evaluate report."""

from __future__ import annotations

from gan_lightning.config.resolve import Plain
from gan_lightning.run.result import format_score
from gan_lightning.storage.printable import printable

COLUMNS = ("real", "generated", "excess")


def score_table(report: Plain) -> str:
    """Return the table of scores, followed by the protocol."""
    columns = [column for column in COLUMNS if any(column in row for row in report["scores"].values())]
    rows = [("", *columns)]
    for name, row in report["scores"].items():
        rows.append((name, *(format_score(row[column]) if column in row else "" for column in columns)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in rows
    ]
    lines = protocol_lines(report["protocol"])
    return "\n".join(
        [*table, "", *(printable(f"  {key:<10}  {text}") for key, text in lines.items() if not text.startswith("None"))]
    )


def protocol_lines(protocol: Plain) -> dict[str, str]:
    """Return the lines of the protocol by their headings: what was used, and beside it what there is or was requested."""
    requested = protocol.get("requested", {})
    samples = [
        f"{n} for {name}" + (f" (of {requested[name]} requested)" if name in requested else "")
        for name, n in protocol["samples"].items()
    ]
    reference = protocol["reference"]
    of = f" of {reference['available']}" if reference["available"] not in (None, reference["samples"]) else ""
    chosen = f" ({reference['selection']})" if of else ""
    fewer = [
        f"{n} of them for {name}"
        for name, used in protocol["compared_with"].items()
        if (n := used.get("reference", reference["samples"])) < reference["samples"]
    ]
    place = protocol.get("real", f"the {reference['split']} split")
    against = f"{reference['samples']}{of} real samples of {place}{chosen}"
    lines = {
        "samples": ", ".join(samples),
        "against": "; ".join([against, *fewer]),
        "feature": f"{protocol['feature']}, resizer: {protocol['resizer']}",
    }
    return lines | {key: str(protocol[key]) for key in ("step", "seed", "weights", "batch_norm", "sampler") if key in protocol}
