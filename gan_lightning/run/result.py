"""Read result.json, make values fit for it, and format them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import from_json

from gan_lightning.config.errors import UserError
from gan_lightning.config.resolve import Plain
from gan_lightning.config.threads import MOST
from gan_lightning.storage import atomic
from gan_lightning.storage.data_file import MEBIBYTE
from gan_lightning.storage.data_model import Count, DataModel, Step, read_model

FILE = "result.json"
Status = Literal["running", "finished", "failed", "stopped", "preempted"]
Scores = dict[str, float | None]  # None: not a number


class Alarm(DataModel):
    """Describe an alarm of the health watcher."""

    step: Step
    name: str
    message: str


class Change(DataModel):
    """Describe what changed when a run went on: its config, or its data."""

    step: Step
    changed: list[str]


class Compared(DataModel):
    """Name the metric that runs are compared by, and whether more of it is better."""

    by: str
    higher: bool


class Provenance(DataModel):
    """Name the commit of the code, and whether its files differed from it."""

    commit: str | None = None
    dirty: bool | None = None


class Result(DataModel):
    """Describe result.json: the entries that are read again. A run of an earlier version may lack any of them."""

    id: str | None = None
    status: Status | None = None
    reason: str | None = None
    step: Step = 0
    seconds: float = 0.0
    objective: float | None = None
    metrics: Scores = Field(default_factory=dict)
    real: Scores = Field(default_factory=dict)
    best_step: Step | None = None
    best_objective: float | None = None
    saved: Step | None = None
    overrides: list[str] = Field(default_factory=list)
    compared: Compared | None = None
    alarms: list[Alarm] = Field(default_factory=list)
    continued: list[Change] = Field(default_factory=list)
    data_changed: list[Change] = Field(default_factory=list)
    processes: Count | None = None
    threads: Annotated[int, Field(ge=1, le=MOST)] | None = None
    provenance: Provenance | None = None


def load_result(folder: Path) -> tuple[Result, Plain]:
    """Return the result.json of a run directory by its schema, and as it is. Raises OSError, with what is wrong with it."""
    result, content = read_model(folder / FILE, Result, MEBIBYTE)
    return result, from_json(content)


def read_result(folder: Path) -> Plain:
    """Return the result.json of a run directory; empty if there is none. Raises UserError if it is no result.

    Entries of a newer version are kept; step and seconds are 0 where an earlier one lacks them.
    """
    try:
        result, found = load_result(folder)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"run={folder}: {FILE} can't be read: {atomic.reason(error)}") from None
    return {"step": result.step, "seconds": result.seconds} | found


def finite(value: Any) -> Any:
    """Return `value` with NaN and infinities replaced by None, and half characters by their escapes: JSON has neither."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_score(value: float | None) -> str:
    """Return a score with four significant digits; None, which replaces NaN and infinity in a report, as text."""
    return "not a number" if value is None else f"{value:.4g}"
