"""Alarms for the known failures of GAN training: on the screen, in result.json (`alarms`) and in TensorBoard (`health`).

    non_finite          a tensor of the training step is NaN or infinite: which one, since which step
    discriminator_wins  real > fake in every pair, and ‖∇G‖ / usual ‖∇G‖, or a player's mean |∂loss/∂logit|, is close to 0
    collapse            distance of EMA samples / distance of real samples is close to 0, or a coverage metric has halved
    frozen              ‖G − previous G‖ / ‖G‖ is 0, or ∇G is
    memorising          the metric `copying` is small: samples are closer to training samples than held-out ones are
    leaking             the probability of ADA's transforms is above 0.8: they appear in the samples (Karras et al. 2020b, 3)

Training does not wait for the norms, which stay on the device and are read every `every_n_steps` steps in one transfer, and the
run is the same bit for bit without this callback. ∇G vanishes where D separates the samples with certainty: Goodfellow et al.
2014, section 3; Arjovsky & Bottou 2017, theorem 2.4.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from typing import Annotated, Any, get_args

import pytorch_lightning as pl
import torch
from pydantic import Field
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn.utils import get_total_norm
from tqdm import tqdm

from gan_lightning.callback.health_signals import (
    REAL,
    Norms,
    augmentation,
    diversity,
    locate_non_finite,
    measure_norms,
    ordered_tensors,
    separation,
)
from gan_lightning.callback.health_state import Alarm, find_state_mistake
from gan_lightning.gan import GAN, Terms
from gan_lightning.run.directory import Run, Verdict
from gan_lightning.step.types import Batch

COVERAGE = ("modes", "recall", "coverage", "cells")  # metrics that fall when parts of the distribution are no longer generated
EVALUATIONS = 2  # in a row with a symptom, for an alarm that a metric raises
SEPARATED = 0.99  # share of the pairs
SMALL_SLOPE_G, SMALL_SLOPE_D = 0.02, 0.001  # mean |∂loss/∂logit|; 0.5 for a logistic loss where D is undecided
FADED = 0.01  # of the usual ‖∇G‖
MAX_NORMS = 100_000  # of the last readings; a checkpoint holds them
MOTIONLESS = 1e-7  # of ‖G‖
ENDED = 1e-3  # of the initial learning rate: a schedule that has ended explains why G does not move
COPYING = 0.5  # ratio of distances
LEAKING = 0.8  # probability of each transform of the augmentation


class Health(pl.Callback):
    """Raise an alarm for a symptom that persists for `patience` readings; `non_finite` is raised at the first.

    `diversity` is the share of the real samples' diversity below which the samples count as collapsed. An alarm in `stop_on`
    ends the run as failed.
    """

    find_state_mistake = staticmethod(find_state_mistake)

    def __init__(
        self,
        run: Run,
        every_n_steps: Annotated[int, Field(ge=1, le=50)] = 50,
        patience: Annotated[int, Field(ge=1)] = 5,
        diversity: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        stop_on: tuple[Alarm, ...] = ("non_finite",),
    ) -> None:
        self.run, self.every_n_steps, self.patience = run, every_n_steps, patience
        self.diversity, self.stop_on = diversity, stop_on
        self.parameters: dict[str, Tensor] = {}  # of G, then of D and the regularizers' heads
        self.norms: list[Norms] = []  # measured since the last reading
        self.previous_weights: list[Tensor] = []  # G's at the last reading
        self.gradient_norms: list[float] = []  # ‖∇G‖ at every reading
        self.best_coverage: dict[str, float] = {}
        self.scored_step = 0
        self.streaks: Counter[str] = Counter()  # symptom → consecutive readings with it
        self.confirmed: dict[str, tuple[Alarm, str]] = {}  # symptom → its alarm and message
        self.active: set[Alarm] = set()
        self.alarms: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.parameters = {name: p for name, p in module.named_parameters() if not name.startswith("ema.")}
        self.alarms = [alarm for alarm in self.run.result.get("alarms", []) if alarm["step"] <= trainer.global_step]
        if trainer.is_global_zero:
            self.run.record(alarms=self.alarms)

    def state_dict(self) -> dict[str, Any]:
        """Return the streaks and their baselines, so that a resumed run raises the same alarms as an uninterrupted one."""
        return {
            "previous_weights": self.previous_weights,
            "gradient_norms": self.gradient_norms,
            "best_coverage": self.best_coverage,
            "scored_step": self.scored_step,
            "confirmed": self.confirmed,
            "streaks": dict(self.streaks),
            "active": list(self.active),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.previous_weights, self.gradient_norms = state_dict["previous_weights"], state_dict["gradient_norms"]
        self.best_coverage, self.scored_step = state_dict["best_coverage"], state_dict["scored_step"]
        self.confirmed, self.streaks, self.active = (
            state_dict["confirmed"],
            Counter(state_dict["streaks"]),
            set(state_dict["active"]),
        )

    # ── every iteration, in the order in which NaN spreads from one tensor to the next ───────────────────────────────────
    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, i: int) -> None:
        self.norms.append(measure_norms(trainer.global_step, {REAL: batch.real, **self.parameters}))

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        assert isinstance(module, GAN)
        self.norms.append(measure_norms(trainer.global_step, ordered_tensors(self.parameters, outputs)))
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == trainer.max_steps:
            self._read(trainer, module, outputs, batch)

    # ── every reading ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _read(self, trainer: pl.Trainer, gan: GAN, terms: Terms, batch: Batch) -> None:
        self.norms.append(measure_norms(trainer.global_step, self.parameters))
        signals = separation(gan, terms) | self._motion(gan) | diversity(gan, batch) | augmentation(gan)
        norms = torch.cat([n.values for n in self.norms])
        transferred = torch.cat([norms, torch.stack(list(signals.values()))]).cpu()  # the only transfer
        self._check_finite(transferred[: len(norms)])
        values = dict(zip(signals, transferred[len(norms) :].tolist(), strict=True))
        logged = {f"health/{name}": value for name, value in values.items() if math.isfinite(value)}
        for logger in trainer.loggers:
            logger.log_metrics(logged, trainer.global_step)
        if "non_finite" not in self.confirmed:
            self._check_signals(trainer, gan, values)
            if self.run.scores is not None and self.run.scores[0] > self.scored_step:
                self.scored_step, scores = self.run.scores
                self._check_scores(scores)
        self._report(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Check the last state too if the run was stopped between two readings: it is about to be saved."""
        if self.norms:
            self.norms.append(measure_norms(trainer.global_step, self.parameters))
            self._check_finite(torch.cat([n.values for n in self.norms]).cpu())
            self._report(trainer)

    def _motion(self, gan: GAN) -> dict[str, Tensor]:  # name → ()
        """Measure ‖∇G‖, and ‖G − previous G‖ / ‖G‖ since the last reading."""
        weights = [p.detach().clone() for p in gan.generator.parameters()]
        gradients = [p.grad for p in gan.generator.parameters() if p.grad is not None]
        signals = {"gradient_g": get_total_norm(gradients)} if gradients else {}
        if self.previous_weights:
            change = get_total_norm(torch._foreach_sub(weights, self.previous_weights))
            signals["generator_motion"] = change / get_total_norm(weights)
        self.previous_weights = weights
        return signals

    def _check_finite(self, norms: Tensor) -> None:  # (Σ len(names),)
        if first := locate_non_finite(self.norms, norms):
            self._update_symptom("non_finite", "non_finite", f"{first[0]} is not finite since step {first[1]}", 1)
        self.norms = []

    def _check_signals(self, trainer: pl.Trainer, gan: GAN, values: dict[str, float]) -> None:
        norm, motion = values.get("gradient_g", math.nan), values.get("generator_motion", math.nan)
        usual_norm = statistics.median(self.gradient_norms) if len(self.gradient_norms) >= self.patience else math.nan
        self.gradient_norms.append(norm)
        del self.gradient_norms[:-MAX_NORMS]
        winning = vanished_gradient(values, norm, usual_norm) if values["separation"] >= SEPARATED else None
        self._update_symptom("discriminator_wins", "separation", winning, self.patience)
        trained = trainer.global_step > gan.discriminator_warmup_steps
        rates = [(g["lr"], g.get("initial_lr", g["lr"])) for g in trainer.optimizers[1].param_groups]
        ended = all(rate < ENDED * initial for rate, initial in rates)
        still = "G's gradient is 0" if norm == 0 else "G does not move" if motion < MOTIONLESS and not ended else None
        self._update_symptom("frozen", "motion", still if trained and winning is None else None, self.patience)
        share = values.get("diversity", math.nan)
        collapsed = f"samples lie only {share:.2g} times as far apart as real ones" if share < self.diversity else None
        self._update_symptom("collapse", "diversity", collapsed if trained else None, self.patience)
        p = values.get("augmentation_p", 0.0)
        leak = f"each transform is applied with probability {p:.2g}; above {LEAKING} transforms appear in the samples"
        self._update_symptom("leaking", "augmentation_p", leak if p > LEAKING else None, self.patience)

    def _check_scores(self, scores: dict[str, float]) -> None:
        for name in COVERAGE:
            if math.isfinite(value := scores.get(name, math.nan)):
                self.best_coverage[name] = best = max(value, self.best_coverage.get(name, value))
                fallen = f"{name} {value:.3g}, was {best:.3g}" if value < best / 2 else None
                self._update_symptom("collapse", name, fallen, EVALUATIONS)
        copying = scores.get("copying", math.nan)
        copied = f"copying {copying:.2g}: samples lie nearer to training samples than held-out real ones do"
        self._update_symptom("memorising", "copying", copied if copying < COPYING else None, EVALUATIONS)

    def _update_symptom(self, alarm: Alarm, symptom: str, message: str | None, needed: int) -> None:
        """Count consecutive readings with a symptom, which has a message then, and confirm it after `needed` of them."""
        self.streaks[symptom] = self.streaks[symptom] + 1 if message else 0
        if message and self.streaks[symptom] >= needed:
            self.confirmed.setdefault(symptom, (alarm, message))
        else:
            self.confirmed.pop(symptom, None)

    def _report(self, trainer: pl.Trainer) -> None:
        """Report every alarm that begins or ends, in one line."""
        step = trainer.global_step
        for alarm in get_args(Alarm):
            message = next((message for name, message in self.confirmed.values() if name == alarm), None)
            if (message is None) == (alarm not in self.active):
                continue
            self.active ^= {alarm}
            if message is not None:
                self.alarms.append({"step": step, "name": alarm, "message": message})
            if message is not None and alarm in self.stop_on:
                self.run.verdict, trainer.should_stop = Verdict("failed", message), True
            if trainer.is_global_zero:
                self.run.record(alarms=self.alarms)
                line = f"step {step}: {alarm}: {message}" if message is not None else f"step {step}: {alarm} is over"
                tqdm.write(line, file=sys.stderr)
                for logger in trainer.loggers:
                    if isinstance(logger, TensorBoardLogger):
                        logger.experiment.add_text("health", line, step)


def vanished_gradient(values: dict[str, float], norm: float, usual_norm: float) -> str | None:
    """Return which gradient has vanished while D separates every pair; None if none has."""
    start = f"D separates every pair, by {values['gap']:.3g} on average, and"
    if values["slope_g"] <= SMALL_SLOPE_G:
        return f"{start} hardly any gradient reaches G: mean |∂loss/∂logit| is {values['slope_g']:.1e}"
    if norm <= FADED * usual_norm:
        return f"{start} G's gradient has faded from {usual_norm:.1e} to {norm:.1e}"
    if values["slope_d"] <= SMALL_SLOPE_D:
        return f"{start} has nothing left to learn: mean |∂loss/∂logit| is {values['slope_d']:.1e}"
    return None
