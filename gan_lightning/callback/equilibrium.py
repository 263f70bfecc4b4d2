"""Early stopping at the equilibrium: D no longer separates real from generated samples, and the samples are good.

    mean of `auc` ≤ auc_at_most, every metric of at_least ≥ and of at_most ≤ its bound, over `patience` evaluations

`auc` = P(D(held-out real) > D(sample)) for the EMA generator. It is ½ at the end of the original algorithm, p_G = p_data and
D = ½ (Goodfellow et al. 2014, proposition 1 and section 4.1). It is also ½ if D has failed and its output is constant, so a
bound on a metric of the samples is required too.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from tqdm import tqdm
from typing_extensions import TypedDict

from gan_lightning.callback.state import find_type_mistake
from gan_lightning.config.errors import UserError, suggest
from gan_lightning.gan import GAN
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.run.directory import Run, Verdict

AUC = "auc"


@with_config(ConfigDict(extra="forbid"))
class EquilibriumState(TypedDict):
    """Hold the newest evaluations."""

    evaluations: list[dict[str, float]]


class Equilibrium(pl.Callback):
    """Stop at the equilibrium; result.json records the reason and, as `evidence`, the evaluations that meet the conditions."""

    def __init__(
        self,
        run: Run,
        metrics: Mapping[str, GenerativeMetric],
        auc_at_most: Annotated[float, Field(ge=0, le=1)] = 0.55,
        patience: Annotated[int, Field(ge=1)] = 3,
        at_least: dict[str, float] | None = None,
        at_most: dict[str, float] | None = None,
    ) -> None:
        """Raises UserError if there is no bound, or if no metric computes `auc` or a number with a bound."""
        self.run, self.auc_at_most, self.patience = run, auc_at_most, patience
        self.at_least, self.at_most = at_least or {}, at_most or {}
        numbers = {name for metric in metrics.values() for name in metric.maximize}
        if problem := self.incompatibility(numbers, at_least, at_most):
            raise UserError(f"callback.equilibrium: {problem}")
        self.evaluations: list[dict[str, float]] = []  # the newest `patience`, oldest first

    @staticmethod
    def incompatibility(numbers: Collection[str], at_least: Any = None, at_most: Any = None, **_: Any) -> str | None:
        """Return why the conditions can't be checked by metrics that compute `numbers`; None if they can."""
        bounds = {**(at_least or {}), **(at_most or {})}
        if not bounds:
            return "at_least and at_most are empty: auc alone is 0.5 of a dead discriminator, too; bound a score of the samples"
        missing = next((name for name in (AUC, *bounds) if name not in numbers), None)
        return f"no metric gives {missing}; {suggest(missing, list(numbers))}" if missing else None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.run.result.get("evidence"):
            self.run.record(evidence=None)

    def state_dict(self) -> dict[str, Any]:
        """Return the newest evaluations, so that a resumed run stops where an uninterrupted one would."""
        return {"evaluations": self.evaluations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the evaluations that have every bounded metric: the bounds may have changed since they were saved."""
        bounded = {AUC, *self.at_least, *self.at_most}
        self.evaluations = [evaluation for evaluation in state_dict["evaluations"] if bounded <= evaluation.keys()]

    @staticmethod
    def find_state_mistake(state: Any, _: GAN) -> str | None:
        """Return what makes a file's data no state of this callback, in one line; None: nothing."""
        mistake = find_type_mistake(TypeAdapter(EquilibriumState), state)
        if mistake is None and not all({"step", AUC} <= evaluation.keys() for evaluation in state["evaluations"]):
            return f"evaluations: one has no step or no {AUC}"
        return mistake

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if self.run.scores is None or (self.evaluations and self.run.scores[0] == self.evaluations[-1]["step"]):
            return
        step, scores = self.run.scores
        evaluation = {"step": step} | {name: scores.get(name, math.nan) for name in (AUC, *self.at_least, *self.at_most)}
        self.evaluations = [*self.evaluations, evaluation][-self.patience :]
        if self.run.verdict is None and (reason := self.reached()):
            self.run.verdict, trainer.should_stop = Verdict("finished", reason), True
            if trainer.is_global_zero:
                self.run.record(evidence=self.evaluations)
                tqdm.write(reason, file=sys.stderr)

    def reached(self) -> str | None:
        """Return the reason to stop, with the mean of `auc` and the worst of each metric; None if a condition is not met."""
        if len(self.evaluations) < self.patience:
            return None
        auc = statistics.mean(e[AUC] for e in self.evaluations)
        worst = {name: min(e[name] for e in self.evaluations) for name in self.at_least}
        worst |= {name: max(e[name] for e in self.evaluations) for name in self.at_most}
        conditions = [auc <= self.auc_at_most, *(worst[name] >= bound for name, bound in self.at_least.items())]
        conditions += [worst[name] <= bound for name, bound in self.at_most.items()]
        if not all(conditions) or any(math.isnan(value) for e in self.evaluations for value in e.values()):
            return None
        reasons = [f"{AUC} {auc:.2g} ≤ {self.auc_at_most:g}"]
        reasons += [f"{name} {worst[name]:.3g} ≥ {bound:g}" for name, bound in self.at_least.items()]
        reasons += [f"{name} {worst[name]:.3g} ≤ {bound:g}" for name, bound in self.at_most.items()]
        return f"equilibrium at step {self.evaluations[-1]['step']}: {', '.join(reasons)} over {self.patience} evaluations"
