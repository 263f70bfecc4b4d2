"""The findings of a sweep as plain data: groups of runs, the metric they are compared by, effects of the factors, failures."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from typing import NamedTuple

from gan_lightning.sweep.report.collect import Job, Sweep
from gan_lightning.sweep.report.curves import Curve
from gan_lightning.sweep.report.drawing import COLOURS
from gan_lightning.sweep.report.effects import MAX_VALUES, MIN_SEEDS, Effect, ScoredRun, holm, paired_effects
from gan_lightning.sweep.report.formatting import format_duration, format_interval, format_time
from gan_lightning.sweep.report.groups import group_jobs


class Measure(NamedTuple):
    """Hold the objective of each run at one point of training."""

    title: str  # such as "at step 1,000"
    scores: dict[str, float | None]  # run directory → score


class Findings:
    """Group, sort and compare the runs of a sweep."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.factors = sweep, sweep.factors
        self.criterion = sweep.criterion
        self.objective = self.criterion.name if self.criterion else self._infer_objective()  # name of a metric
        self.groups = group_jobs(self.jobs, self.factors, self.objective, bool(self.criterion and self.criterion.maximize))
        self.metrics = self._metric_names()
        self.measures = self._measures()
        self.effects = self._effects()
        plotted = [group for group in self.groups if any(job.curves for job in group.jobs)]
        self.colours = {group.name: colour for group, colour in zip(plotted, COLOURS, strict=False)}

    # ── runs and metrics ─────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def jobs(self) -> list[Job]:
        """Return all jobs of the sweep."""
        return self.sweep.jobs

    @property
    def status_counts(self) -> dict[str, int]:
        """Return status → number of jobs, the most frequent first."""
        return dict(Counter(job.status for job in self.jobs).most_common())

    @property
    def common_overrides(self) -> list[str]:
        """Return the overrides that all jobs share, without Hydra's own."""
        complete = [{*job.overrides} for job in self.jobs if not job.inferred]
        common = [override for override in self.jobs[0].overrides if all(override in of_job for of_job in complete)]
        return [override for override in common if not override.lstrip("+").startswith("hydra.")]

    def _infer_objective(self) -> str | None:
        """Return the metric that equals the objective in every run that has one; None if there is none."""
        jobs = [job for job in self.jobs if job.objective is not None]
        names = [{name for name, value in job.metrics.items() if value == job.objective} for job in jobs]
        common = set.intersection(*names) if names else set()
        return next((name for name in jobs[0].metrics if name in common), None) if jobs else None

    def _metric_names(self) -> list[str]:
        """Return the names of all metrics, the objective first."""
        names = dict.fromkeys(name for job in self.jobs for name in job.metrics)
        return [*([self.objective] if self.objective in names else []), *(n for n in names if n != self.objective)]

    # ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _measures(self) -> list[Measure]:
        """Return the scores at the end and, where runs are trained for different lengths, at equal lengths.

        The equal lengths are the last step that all finished runs reached, if their last steps differ, and the last number of
        images seen that all reached, if they see different numbers in a step.
        """
        if self.objective is None:
            return []
        finished = [job for job in self.jobs if job.finished]
        measures = [Measure("at the end", {job.directory: job.metrics.get(self.objective) for job in finished})]
        curves = {job.directory: curve for job in finished if (curve := self._objective_curve(job)) is not None}
        if len(curves) < 2:
            return measures
        logged = [job for job in finished if job.directory in curves]
        last_steps = {job.directory: int(curves[job.directory].steps[-1]) for job in logged}
        if len(set(last_steps.values())) > 1:
            step = min(last_steps.values())
            measures.append(Measure(f"at step {step:,}", {name: curve.at(step) for name, curve in curves.items()}))
        if len({job.images_per_step for job in logged}) > 1 and all(job.images_per_step for job in logged):
            per_step = {job.directory: job.images_per_step or 1 for job in logged}
            images = min(last_steps[name] * per_step[name] for name in curves)
            scores = {name: curve.at(images / per_step[name]) for name, curve in curves.items()}
            measures.append(Measure(f"at {images:,} images seen", scores))
        return measures

    def _objective_curve(self, job: Job) -> Curve | None:
        return job.curves.get(f"metric/{self.objective}") or job.curves.get("objective")

    def _effects(self) -> list[tuple[Measure, list[Effect]]]:
        """Return the effects by each measure, corrected for all comparisons of all measures."""
        rows: list[tuple[int, Effect]] = []
        for i, measure in enumerate(self.measures):
            runs = [
                ScoredRun(group.values, j.seed, measure.scores.get(j.directory)) for group in self.groups for j in group.jobs
            ]
            rows += [(i, effect) for effect in paired_effects(runs, self.factors)]
        corrected = holm([effect for _, effect in rows])
        return [
            (measure, [effect for (j, _), effect in zip(rows, corrected, strict=True) if i == j])
            for i, measure in enumerate(self.measures)
        ]

    def verdict(self, effect: Effect) -> str:
        """Describe an effect; one value "beats" the other only where the difference is significant."""
        if effect.seeds < MIN_SEEDS:
            return f"too few seeds to tell ({effect.seeds})"
        if not effect.differs:
            return "no difference shown"
        return f" {self._verb} ".join(self._ordered(effect))

    @property
    def conclusions(self) -> list[str]:
        """Return the significant effects as sentences, one for each winner at each measure."""
        losers: dict[str, list[str]] = defaultdict(list)
        for measure, effects in self.effects:
            when = "" if measure is self.measures[0] else f", {measure.title}"
            for effect in effects:
                if effect.differs:
                    winner, loser = self._ordered(effect)
                    from_winner = effect if effect.first == winner else effect.reversed
                    subject = f"{effect.factor}{when}: {winner} {self._verb} "
                    losers[subject].append(f"{loser} ({format_interval(from_winner)})")
        return [subject + ", ".join(objects) for subject, objects in losers.items()]

    @property
    def _verb(self) -> str:
        return "beats" if self.criterion else "has more than"

    def _ordered(self, effect: Effect) -> tuple[str, str]:
        """Return the better value and the worse; the greater and the smaller if it is unknown which is better."""
        in_order = (effect.difference > 0) == (self.criterion is None or self.criterion.maximize)
        return (effect.first, effect.second) if in_order else (effect.second, effect.first)

    # ── header and remarks ───────────────────────────────────────────────────────────────────────────────────────────────
    def failures(self) -> list[tuple[Job, str]]:
        """Return the runs that did not finish or are damaged, each with the reason."""
        failures = []
        for job in self.jobs:
            reasons = [job.reason] if job.reason else []
            if job.status == "running" and not reasons:
                reasons = ["under way, or killed without a record: to go on is safe either way"]
            if not job.finished or job.damage:
                failures.append((job, "; ".join([*reasons, *job.damage])))
        return failures

    def alarms(self) -> list[tuple[Job, int, str, str]]:
        """Return the alarms of the Health callback as (job, step, name, message)."""
        return [(job, *alarm) for job in self.jobs for alarm in job.alarms]

    def header(self) -> list[tuple[str, str]]:
        """Return the rows (name, value) at the top of the page."""
        finished, total = sum(job.finished for job in self.jobs), len(self.jobs)
        others = ", ".join(f"{n} {status}" for status, n in self.status_counts.items() if status != "finished")
        rows = [("command", shlex.join(["gan-train", "-m", *self.sweep.line]))] if self.sweep.line else []
        rows.append(("finished", f"{finished} of {total}" + (f" ({others})" if others else "")))
        if self.objective:
            better = {None: "which way is better is not recorded", True: "higher is better", False: "lower is better"}
            rows.append(("compared by", f"{self.objective}, {better[self.criterion.maximize if self.criterion else None]}"))
        if self.factors:
            rows.append(("swept", ", ".join(f"{f} ({len({g.values[f] for g in self.groups})})" for f in self.factors)))
        if self.common_overrides and total > 1:
            rows.append(("in all", shlex.join(self.common_overrides)))
        started, ended = [j.started_at for j in self.jobs if j.started_at], [j.ended_at for j in self.jobs if j.ended_at]
        if started and ended:
            duration = format_duration(sum(job.seconds for job in self.jobs))
            rows.append(("when", f"{format_time(min(started))} to {format_time(max(ended))}; {duration} of training"))
        if commits := Counter(job.commit for job in self.jobs if job.commit):
            rows.append(("commit", ", ".join(f"{c} ({n} runs)" if len(commits) > 1 else c for c, n in commits.most_common())))
        return rows

    def notes(self) -> list[str]:
        """Return warnings that limit the comparison, such as a damaged plan or runs with different objectives."""
        notes = list(self.sweep.damage)
        if {job.criterion for job in self.jobs if job.criterion} and self.criterion is None:
            notes.append("The runs don't agree on what they are compared by.")
        large = [factor for factor in self.factors if len({group.values[factor] for group in self.groups}) > MAX_VALUES]
        if large:
            notes.append(f"More than {MAX_VALUES} values, too many to compare in pairs: {', '.join(large)}.")
        return notes
