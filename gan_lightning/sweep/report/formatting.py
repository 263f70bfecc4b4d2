"""The text of a report's numbers: scores, intervals, p-values, times."""

from __future__ import annotations

import math
import time

from gan_lightning.sweep.report.effects import Effect


def format_value(value: float | None) -> str:
    """Format a number with four significant digits; empty if there is none or it is not finite."""
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def format_mean(mean: float, std: float | None) -> str:
    """Format a mean, and ± the standard deviation with two significant digits if there is one."""
    if std is None:
        return f"{mean:.4g}"
    if not 1e-5 < std < 1e5:
        return f"{mean:.4g} ± {std:.2g}"
    places = max(0, 1 - math.floor(math.log10(std)))
    return f"{round(mean, places) + 0.0:.{places}f} ± {std:.{places}f}"  # + 0.0 turns −0 into 0


def format_interval(effect: Effect) -> str:
    """Format a difference and its 95 % interval, if it has one: `−0.5 [−0.8, −0.2]`."""
    interval = "" if not math.isfinite(effect.low) else f" [{effect.low:+.3g}, {effect.high:+.3g}]"
    return f"{effect.difference:+.3g}{interval}".replace("-", "−")


def format_p(p: float) -> str:
    """Format a p-value with two significant digits; empty if it is NaN."""
    return "" if not math.isfinite(p) else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def format_time(seconds: float) -> str:
    """Format seconds since the epoch in local time: `2024-05-01 13:07`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def format_duration(seconds: float) -> str:
    """Format a duration in its natural unit: `12 s`, `3 min`, `1.5 h`."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
