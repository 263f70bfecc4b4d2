"""Ends a run when the discriminator can no longer tell real from generated, and the samples are good.

    mean of `auc` ≤ auc_at_most, every score of at_least ≥ and of at_most ≤ its bound, over `patience` evaluations

`auc` = P(D(held-out real) > D(sample)) of the EMA generator, ½ where D can't tell: the founding algorithm's end, p_G = p_data
and D = ½ (Goodfellow et al. 2014, proposition 1 and section 4.1). A discriminator that has died reads ½ as well, so a score of
the samples themselves must agree.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field
from tqdm import tqdm

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.run.directory import Run, Verdict

AUC = "auc"


class Equilibrium(pl.Callback):
    """`result.json` keeps the reason and, as `evidence`, the evaluations that it stands on."""

    def __init__(
        self,
        run: Run,
        metrics: Mapping[str, GenerativeMetric],
        auc_at_most: Annotated[float, Field(ge=0, le=1)] = 0.55,
        patience: Annotated[int, Field(ge=1)] = 3,
        at_least: dict[str, float] | None = None,
        at_most: dict[str, float] | None = None,
    ) -> None:
        self.run, self.auc_at_most, self.patience = run, auc_at_most, patience
        self.at_least, self.at_most = at_least or {}, at_most or {}
        if why := self.incompatibility({name for score in metrics.values() for name in score.maximize}, at_least, at_most):
            raise UserError(f"callback.equilibrium: {why}")
        self.heard: list[dict[str, float]] = []

    @staticmethod
    def incompatibility(numbers: Collection[str], at_least: Any = None, at_most: Any = None, **_: Any) -> str | None:
        """Why a run whose metrics give these numbers can't be ended so; None: it can."""
        conditions = {**(at_least or {}), **(at_most or {})}
        if not conditions:
            return "at_least and at_most are empty: auc alone is 0.5 of a dead discriminator, too; bound a score of the samples"
        missing = next((name for name in (AUC, *conditions) if name not in numbers), None)
        return f"no metric gives {missing}; {suggest(missing, list(numbers))}" if missing else None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.run.result.get("evidence"):
            self.run.record(evidence=None)

    def state_dict(self) -> dict[str, Any]:
        """The evaluations heard so far: a run that goes on ends where it would have ended."""
        return {"heard": self.heard}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.heard = state_dict["heard"]

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if self.run.scores is None or (self.heard and self.run.scores[0] == self.heard[-1]["step"]):
            return
        step, scores = self.run.scores
        wanted = (AUC, *self.at_least, *self.at_most)
        self.heard = [*self.heard, {"step": step} | {name: scores.get(name, math.nan) for name in wanted}][-self.patience :]
        if self.run.verdict is None and (reason := self.reached()):
            self.run.verdict, trainer.should_stop = Verdict("finished", reason), True
            if trainer.is_global_zero:
                self.run.record(evidence=self.heard)
                tqdm.write(reason, file=sys.stderr)

    def reached(self) -> str | None:
        """The reason to end here, with the worst of each score; None: there is none."""
        if len(self.heard) < self.patience:
            return None
        auc = statistics.mean(e[AUC] for e in self.heard)
        worst = {name: min(e[name] for e in self.heard) for name in self.at_least}
        worst |= {name: max(e[name] for e in self.heard) for name in self.at_most}
        holds = [auc <= self.auc_at_most, *(worst[name] >= bound for name, bound in self.at_least.items())]
        holds += [worst[name] <= bound for name, bound in self.at_most.items()]
        if not all(holds) or any(math.isnan(value) for e in self.heard for value in e.values()):
            return None
        said = [f"{AUC} {auc:.2g} ≤ {self.auc_at_most:g}"]
        said += [f"{name} {worst[name]:.3g} ≥ {bound:g}" for name, bound in self.at_least.items()]
        said += [f"{name} {worst[name]:.3g} ≤ {bound:g}" for name, bound in self.at_most.items()]
        return f"equilibrium at step {self.heard[-1]['step']}: {', '.join(said)} over {self.patience} evaluations"
