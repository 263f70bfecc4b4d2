"""Read result.json, make values fit for it, and format them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.resolve import Plain

TYPES = {"step": (int,), "best_step": (int, type(None)), "seconds": (int, float), "metrics": (dict, int)}  # of some entries


def read_result(folder: Path) -> Plain:
    """Return the result.json of a run directory; empty if there is none. Raises UserError if it is no result."""
    try:
        found: Plain = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"run={folder}: result.json can't be read: {one_line(error)}") from None
    if not isinstance(found, dict) or any(type(found.get(key, 0)) not in kinds for key, kinds in TYPES.items()):
        raise UserError(f"run={folder}: result.json is no result")
    return found


def finite(value: Any) -> Any:
    """Return `value` with NaN and infinities, which JSON does not have, replaced by None."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_score(value: float | None) -> str:
    """Return a score with four significant digits; None, which replaces NaN and infinity in a report, as text."""
    return "not a number" if value is None else f"{value:.4g}"
