"""What a sweep showed, as plain data: who is compared, by what, what each factor did, and what was left out."""

from __future__ import annotations

import math
import shlex
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gan_lightning.sweep.report.collect import DEFAULT, Job, Sweep
from gan_lightning.sweep.report.curves import Curve
from gan_lightning.sweep.report.drawing import COLOURS
from gan_lightning.sweep.report.effects import LEAST, MOST_VALUES, Effect, Scored, holm, paired_effects


@dataclass
class Group:
    """Runs that differ in their seed alone."""

    values: dict[str, str]  # factor → value
    jobs: list[Job]

    @property
    def name(self) -> str:
        """As it is written in legends."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items()) or "all runs"

    @property
    def finished(self) -> list[Job]:
        """Those that went to their end."""
        return [job for job in self.jobs if job.finished]

    def scores(self, name: str) -> list[float]:
        """A metric of those, where it is a number."""
        return [value for job in self.finished if (value := job.metrics.get(name)) is not None]


class Summary(NamedTuple):
    """A metric over the seeds."""

    mean: float
    std: float | None  # None: of one alone
    n: int

    def __str__(self) -> str:
        if self.std is None:
            return f"{self.mean:.4g}"
        if not 1e-5 < self.std < 1e5:
            return f"{self.mean:.4g} ± {self.std:.2g}"
        places = max(0, 1 - math.floor(math.log10(self.std)))  # two digits of the deviation
        return f"{round(self.mean, places) + 0.0:.{places}f} ± {self.std:.{places}f}"


def summarize(values: Sequence[float]) -> Summary | None:
    """Mean and sample standard deviation; None: of nothing."""
    if not values:
        return None
    return Summary(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def format_value(value: float | None) -> str:
    """A number as a table shows it."""
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


class Measure(NamedTuple):
    """One way to compare runs: what it is called, and each run's score."""

    title: str
    scores: dict[str, float | None]  # directory → score


class Findings:
    """A sweep, grouped, sorted and compared."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.factors = sweep, sweep.factors
        self.compared = sweep.compared
        self.by = self.compared[0] if self.compared else self._guessed()
        self.groups = self._grouped()
        self.metrics = self._metrics()
        self.measures = self._measures()
        self.effects = self._effects()
        named = [g for g in self.groups if any(job.curves for job in g.jobs)]
        self.colours = {g.name: colour for g, colour in zip(named, COLOURS, strict=False)}

    # ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def jobs(self) -> list[Job]:
        """All of them."""
        return self.sweep.jobs

    @property
    def counts(self) -> dict[str, int]:
        """Status → how many, in the order of how often."""
        return dict(Counter(job.status for job in self.jobs).most_common())

    @property
    def settled(self) -> list[str]:
        """Overrides that all jobs share."""
        known = [{*job.overrides} for job in self.jobs if not job.guessed]
        kept = [word for word in self.jobs[0].overrides if all(word in words for words in known)]
        return [word for word in kept if not word.lstrip("+").startswith("hydra.")]

    def _grouped(self) -> list[Group]:
        found: dict[tuple[str, ...], Group] = {}
        for job in self.jobs:
            given = job.given
            values = {factor: given.get(factor, DEFAULT) for factor in self.factors}
            found.setdefault(tuple(values.values()), Group(values, [])).jobs.append(job)

        def place(group: Group) -> tuple[bool, float]:
            scores = group.scores(self.by) if self.by else []
            sign = -1 if self.compared and self.compared[1] else 1
            return (not scores, sign * statistics.fmean(scores) if scores else 0.0)

        return sorted(found.values(), key=place)

    def _guessed(self) -> str | None:
        """What the objective is called in runs that don't say it: the metric that has its value in every run."""
        told = [job for job in self.jobs if job.objective is not None]
        names = [{k for k, v in job.metrics.items() if v == job.objective} for job in told]
        common = set.intersection(*names) if names else set()
        return next((name for name in told[0].metrics if name in common), None) if told else None

    def _metrics(self) -> list[str]:
        names = dict.fromkeys(name for job in self.jobs for name in job.metrics)
        return [*([self.by] if self.by in names else []), *(n for n in names if n != self.by)]

    # ── what against what ────────────────────────────────────────────────────────────────────────────────────────────────
    def _measures(self) -> list[Measure]:
        """At the end; where runs end elsewhere or see more, also at the last step, and at the images, that all have seen."""
        if self.by is None:
            return []
        done = [job for job in self.jobs if job.finished]
        found = [Measure("at the end", {job.directory: job.metrics.get(self.by) for job in done})]
        known = {job.directory: curve for job in done if (curve := self._curve(job)) is not None}
        if len(known) < 2:
            return found
        logged = [job for job in done if job.directory in known]
        steps = {job.directory: int(known[job.directory].steps[-1]) for job in logged}
        if len(set(steps.values())) > 1:
            least = min(steps.values())
            found.append(Measure(f"at step {least:,}", {d: c.at(least) for d, c in known.items()}))
        if len({job.images_per_step for job in logged}) > 1 and all(job.images_per_step for job in logged):
            each = {job.directory: job.images_per_step or 1 for job in logged}
            images = min(steps[d] * each[d] for d in known)
            scores = {d: c.at(images / each[d]) for d, c in known.items()}
            found.append(Measure(f"at {images:,} images seen", scores))
        return found

    def _curve(self, job: Job) -> Curve | None:
        return job.curves.get(f"metric/{self.by}") or job.curves.get("objective")

    def _effects(self) -> list[tuple[Measure, list[Effect]]]:
        rows: list[tuple[int, Effect]] = []
        for i, measure in enumerate(self.measures):
            scored = [
                Scored(group.values, job.seed, measure.scores.get(job.directory)) for group in self.groups for job in group.jobs
            ]
            rows += [(i, effect) for effect in paired_effects(scored, self.factors)]
        corrected = holm([effect for _, effect in rows])
        return [
            (measure, [e for (j, _), e in zip(rows, corrected, strict=True) if i == j])
            for i, measure in enumerate(self.measures)
        ]

    def verdict(self, effect: Effect) -> str:
        """In words; that one beats another is said only where it does."""
        if effect.seeds < LEAST:
            return f"too few seeds to tell ({effect.seeds})"
        if not effect.differs:
            return "no difference shown"
        return f" {'beats' if self.compared else 'has more than'} ".join(self.sides(effect))

    @property
    def found(self) -> list[str]:
        """All verdicts that say something, those of one winner in one sentence."""
        said: dict[str, list[str]] = defaultdict(list)
        for measure, rows in self.effects:
            where = "" if measure is self.measures[0] else f", {measure.title}"
            for effect in rows:
                if effect.differs:
                    winner, loser = self.sides(effect)
                    seen = effect if effect.one == winner else effect.turned
                    word = "beats" if self.compared else "has more than"
                    said[f"{effect.factor}{where}: {winner} {word} "].append(f"{loser} ({format_interval(seen)})")
        return [begun + ", ".join(losers) for begun, losers in said.items()]

    def sides(self, effect: Effect) -> tuple[str, str]:
        """Who has the better score, or the greater where it is not known which is better; and who has not."""
        first = (effect.difference > 0) == (self.compared is None or self.compared[1])
        return (effect.one, effect.other) if first else (effect.other, effect.one)

    # ── what is told of it ──────────────────────────────────────────────────────────────────────────────────────────────
    def troubles(self) -> list[tuple[Job, str]]:
        """Runs that did not end well, and why."""
        found = []
        for job in self.jobs:
            why = [job.reason] if job.reason else []
            if job.status == "running" and not why:
                why = ["under way, or killed without a word: to go on is safe either way"]
            if not job.finished or job.damage:
                found.append((job, "; ".join([*why, *job.damage])))
        return found

    def alarms(self) -> list[tuple[Job, int, str, str]]:
        """All that Health raised."""
        return [(job, *alarm) for job in self.jobs for alarm in job.alarms]

    def head(self) -> list[tuple[str, str]]:
        """What the page begins with."""
        done, total = sum(job.finished for job in self.jobs), len(self.jobs)
        others = ", ".join(f"{n} {status}" for status, n in self.counts.items() if status != "finished")
        rows = [("command", shlex.join(["gan-train", "-m", *self.sweep.line]))] if self.sweep.line else []
        rows.append(("finished", f"{done} of {total}" + (f" ({others})" if others else "")))
        if self.by:
            way = {None: "which way is better is not recorded", True: "higher is better", False: "lower is better"}
            rows.append(("compared by", f"{self.by}, {way[self.compared[1] if self.compared else None]}"))
        if self.factors:
            rows.append(("swept", ", ".join(f"{f} ({len({g.values[f] for g in self.groups})})" for f in self.factors)))
        if self.settled and total > 1:
            rows.append(("in all", shlex.join(self.settled)))
        began, ended = [j.began for j in self.jobs if j.began], [j.ended for j in self.jobs if j.ended]
        if began and ended:
            rows.append(
                (
                    "when",
                    f"{format_time(min(began))} to {format_time(max(ended))}; {format_duration(sum(j.seconds for j in self.jobs))} of training",
                )
            )
        if commits := Counter(job.commit for job in self.jobs if job.commit):
            rows.append(("commit", ", ".join(f"{c} ({n} runs)" if len(commits) > 1 else c for c, n in commits.most_common())))
        return rows

    def notes(self) -> list[str]:
        """What a reader of the comparison must know."""
        said = list(self.sweep.damage)
        if {job.compared for job in self.jobs if job.compared} and self.compared is None:
            said.append("The runs don't agree on what they are compared by.")
        many = [f for f in self.factors if len({g.values[f] for g in self.groups}) > MOST_VALUES]
        if many:
            said.append(f"More than {MOST_VALUES} values, too many to compare in pairs: {', '.join(many)}.")
        return said


def format_interval(effect: Effect) -> str:
    """A difference and its 95 % interval."""
    reach = "" if not math.isfinite(effect.low) else f" [{effect.low:+.3g}, {effect.high:+.3g}]"
    return f"{effect.difference:+.3g}{reach}".replace("-", "−")


def format_p(p: float) -> str:
    """A p as a table shows it."""
    return "" if not math.isfinite(p) else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def format_time(seconds: float) -> str:
    """As a person writes it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def format_duration(seconds: float) -> str:
    """12 s, 3 min, 1.5 h."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
