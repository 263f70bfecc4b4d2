"""Names the trouble while it happens: on the screen, in result.json (`alarms`), in TensorBoard (`health`).

    non_finite          a tensor of the game is NaN or infinite: which one, since which step
    discriminator_wins  real > fake in every pair, and ‖∇G‖ / usual ‖∇G‖, or mean |∂loss/∂logit| of a player, is next to 0
    collapse            distance between two EMA samples / between two real samples is next to 0, or a score of coverage halved
    frozen              ‖G − G before‖ / ‖G‖ is 0, or ∇G is
    memorising          the score `copying` is small: samples lie nearer to training samples than held-out ones do

No iteration waits for it: every norm stays on the device and is read every so many steps, all in one transfer. It draws from a
generator of its own and moves nothing, so a run is the same bit for bit without it. That ‖∇G‖ vanishes where D is sure:
Goodfellow et al. 2014, section 3; Arjovsky & Bottou 2017, theorem 2.4.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

import pytorch_lightning as pl
import torch
from pydantic import Field
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from tqdm import tqdm

from gan_lightning.gan import GAN, Terms
from gan_lightning.run.directory import Run, Verdict
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Batch

Alarm = Literal["non_finite", "discriminator_wins", "collapse", "frozen", "memorising"]
REAL = "the real batch"
COVERAGE = ("modes", "recall", "coverage", "cells")  # scores that count what is drawn at all
DRAWN, RELATIVES, EVALUATIONS = 64, 8, 2  # samples; pairs of one class that are enough to go by; scorings in a row
VANISHED, LEARNED = 0.02, 0.001  # mean |∂loss/∂logit| of G and D, which is 0.5 where a logistic loss is undecided
FAINT, STILL, ENDED, COPYING = 0.01, 1e-7, 1e-3, 0.5  # share of usual ‖∇G‖, of ‖G‖, of the learning rate; distance ratio


class Norms(NamedTuple):
    """The lengths of some tensors at one moment, still on the device: NaN or infinite where a value is, or is beyond 1e19."""

    step: int
    names: list[str]
    lengths: Tensor  # (len(names),)


class Health(pl.Callback):
    """`patience`: readings in a row that make a trouble an alarm, `non_finite` apart, which is one at once.

    `diversity`: the samples', as a share of the real ones', below which they have collapsed.
    """

    def __init__(
        self,
        run: Run,
        every_n_steps: Annotated[int, Field(ge=1, le=50)] = 50,
        patience: Annotated[int, Field(ge=1)] = 5,
        diversity: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        stop_on: tuple[Alarm, ...] = ("non_finite",),
    ) -> None:
        self.run, self.every_n_steps, self.patience, self.diversity, self.stop_on = (
            run,
            every_n_steps,
            patience,
            diversity,
            stop_on,
        )
        self.watched: dict[str, Tensor] = {}  # every parameter of G, then of D and its heads
        self.heard: list[Norms] = []
        self.before: list[Tensor] = []  # G at the last reading
        self.lengths: list[float] = []  # ‖∇G‖ at every reading
        self.best: dict[str, float] = {}
        self.scored = 0
        self.running: Counter[str] = Counter()  # sign → for how many readings
        self.ripe: dict[str, tuple[Alarm, str]] = {}  # sign → what it is a sign of, in words
        self.on: set[Alarm] = set()
        self.alarms: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.watched = {name: p for name, p in module.named_parameters() if not name.startswith("ema.")}
        self.alarms = [alarm for alarm in self.run.result.get("alarms", []) if alarm["step"] <= trainer.global_step]
        if trainer.is_global_zero:
            self.run.record(alarms=self.alarms)

    def state_dict(self) -> dict[str, Any]:
        """How long each sign has been there, and what it is measured by: a run that goes on says what it would have said."""
        kept = {name: getattr(self, name) for name in ("before", "lengths", "best", "scored", "ripe")}
        return kept | {"running": dict(self.running), "on": list(self.on)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in ("lengths", "best", "scored", "ripe"):
            setattr(self, name, state_dict[name])
        self.running, self.on, self.before = Counter(state_dict["running"]), set(state_dict["on"]), state_dict["before"]

    # ── in every iteration, in the order in which one thing spoils the next ──────────────────────────────────────────────
    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, i: int) -> None:
        self._hear(trainer.global_step, {REAL: batch.real, **self.watched})

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Batch, i: int) -> None:
        assert isinstance(module, GAN)
        self._hear(trainer.global_step, ordered_tensors(self.watched, outputs))
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == trainer.max_steps:
            self._read(trainer, module, outputs, batch)

    def _hear(self, step: int, tensors: dict[str, Tensor]) -> None:
        with torch.no_grad():
            self.heard.append(Norms(step, list(tensors), torch.stack(torch._foreach_norm(list(tensors.values())))))

    # ── now and then ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _read(self, trainer: pl.Trainer, gan: GAN, terms: Terms, batch: Batch) -> None:
        self._hear(trainer.global_step, self.watched)
        signs = separation(gan, terms) | self._motion(gan) | diversity(gan, batch)
        heard = torch.cat([h.lengths for h in self.heard])
        read = torch.cat([heard, torch.stack(list(signs.values()))]).cpu()  # the only transfer
        self._non_finite(read[: len(heard)])
        found = dict(zip(signs, read[len(heard) :].tolist(), strict=True))
        values = {name: value for name, value in found.items() if math.isfinite(value)}
        for logger in trainer.loggers:
            logger.log_metrics({f"health/{name}": value for name, value in values.items()}, trainer.global_step)
        if "non_finite" not in self.ripe:
            self._judge(trainer, gan, found)
            if self.run.scores is not None and self.run.scores[0] > self.scored:
                self.scored, scores = self.run.scores
                self._judge_scores(scores)
        self._say(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A run that was stopped between two readings ends with a look at what is to be saved."""
        if self.heard:
            self._hear(trainer.global_step, self.watched)
            self._non_finite(torch.cat([h.lengths for h in self.heard]).cpu())
            self._say(trainer)

    def _motion(self, gan: GAN) -> dict[str, Tensor]:
        """How far G went since the last reading, and the length of its gradient."""
        now = [p.detach().clone() for p in gan.generator.parameters()]
        gradients = [p.grad for p in gan.generator.parameters() if p.grad is not None]
        found = {"gradient_g": total(gradients)} if gradients else {}
        if self.before:
            found["generator_motion"] = total(torch._foreach_sub(now, self.before)) / total(now)
        self.before = now
        return found

    def _non_finite(self, lengths: Tensor) -> None:
        names = [(h.step + (name == REAL), name) for h in self.heard for name in h.names]
        for at in (~lengths.isfinite()).nonzero().flatten().tolist()[:1]:
            step, name = names[at]
            self._sign("non_finite", "non_finite", f"{name} is not finite since step {step}", 1)
        self.heard = []

    def _judge(self, trainer: pl.Trainer, gan: GAN, values: dict[str, float]) -> None:
        length, motion = values.get("gradient_g", math.nan), values.get("generator_motion", math.nan)
        usual = statistics.median(self.lengths) if len(self.lengths) >= self.patience else math.nan
        self.lengths.append(length)
        why = None
        if values["separation"] >= 0.99:
            told = f"D tells every pair apart, by {values['gap']:.3g} on average, and"
            if values["slope_g"] <= VANISHED:
                why = f"{told} hardly any gradient reaches G: mean |∂loss/∂logit| is {values['slope_g']:.1e}"
            elif length <= FAINT * usual:
                why = f"{told} G's gradient has faded from {usual:.1e} to {length:.1e}"
            elif values["slope_d"] <= LEARNED:
                why = f"{told} has nothing left to learn: mean |∂loss/∂logit| is {values['slope_d']:.1e}"
        self._sign("discriminator_wins", "separation", why, self.patience)
        learns = trainer.global_step > gan.discriminator_warmup_steps
        rates = [(g["lr"], g.get("initial_lr", g["lr"])) for g in trainer.optimizers[1].param_groups]
        ended = all(rate < ENDED * initial for rate, initial in rates)
        still = "G's gradient is 0" if length == 0 else "G does not move" if motion < STILL and not ended else None
        self._sign("frozen", "motion", still if learns and why is None else None, self.patience)
        share = values.get("diversity", math.nan)
        alike = f"samples lie only {share:.2g} times as far apart as real ones" if share < self.diversity else None
        self._sign("collapse", "diversity", alike if learns else None, self.patience)

    def _judge_scores(self, scores: dict[str, float]) -> None:
        for name in COVERAGE:
            if math.isfinite(value := scores.get(name, math.nan)):
                self.best[name] = best = max(value, self.best.get(name, value))
                self._sign("collapse", name, f"{name} {value:.3g}, was {best:.3g}" if value < best / 2 else None, EVALUATIONS)
        copying = scores.get("copying", math.nan)
        nearer = f"copying {copying:.2g}: samples lie nearer to training samples than held-out real ones do"
        self._sign("memorising", "copying", nearer if copying < COPYING else None, EVALUATIONS)

    def _sign(self, alarm: Alarm, sign: str, why: str | None, needed: int) -> None:
        """Count for how long a sign has been there: it is ripe after `needed` readings."""
        self.running[sign] = self.running[sign] + 1 if why else 0
        if why and self.running[sign] >= needed:
            self.ripe.setdefault(sign, (alarm, why))
        else:
            self.ripe.pop(sign, None)

    def _say(self, trainer: pl.Trainer) -> None:
        """One line for an alarm that begins, one when it is over."""
        step = trainer.global_step
        for alarm in get_args(Alarm):
            why = next((words for of, words in self.ripe.values() if of == alarm), None)
            if (why is None) == (alarm not in self.on):
                continue
            self.on ^= {alarm}
            if why is not None:
                self.alarms.append({"step": step, "name": alarm, "message": why})
            if why is not None and alarm in self.stop_on:
                self.run.verdict, trainer.should_stop = Verdict("failed", why), True
            if trainer.is_global_zero:
                self.run.record(alarms=self.alarms)
                line = f"step {step}: {alarm}: {why}" if why is not None else f"step {step}: {alarm} is over"
                tqdm.write(line, file=sys.stderr)
                for logger in trainer.loggers:
                    if isinstance(logger, TensorBoardLogger):
                        logger.experiment.add_text("health", line, step)


def ordered_tensors(watched: Mapping[str, Tensor], terms: Terms) -> dict[str, Tensor]:
    """The terms and gradients of D's turn, then of G's."""
    first = sorted(terms, key=lambda name: (name.endswith("/g"), not name.startswith("logits")))
    gradients = [(name, p.grad) for name, p in watched.items() if p.grad is not None]
    found = {name: terms[name] for name in first if not name.endswith("/g")}
    found |= {f"the gradient of {name}": x for name, x in gradients if not name.startswith("generator.")}
    found |= {name: terms[name] for name in first if name.endswith("/g")}
    return found | {f"the gradient of {name}": x for name, x in gradients if name.startswith("generator.")}


def total(tensors: Sequence[Tensor]) -> Tensor:  # -> ()
    """The length of all of them as one vector."""
    return torch.nn.utils.get_total_norm(tensors)


def separation(gan: GAN, terms: Terms) -> dict[str, Tensor]:  # -> ()
    """How well D tells the pairs of a batch apart, and how much either player's loss still changes with a logit."""
    real, fake = (terms[f"logits/{side}"].detach().requires_grad_() for side in ("real", "fake"))
    with torch.enable_grad():
        d = torch.autograd.grad(gan.loss.discriminator(real, fake).mean(), (real, fake))
        (g,) = torch.autograd.grad(gan.loss.generator(real if gan.loss.relativistic else None, fake).mean(), fake)
    gaps = terms["logits/real"] - terms["logits/fake"]
    slopes = {"slope_d": torch.cat(d).abs().sum() / 2, "slope_g": g.abs().sum()}
    return {"separation": (gaps > 0).float().mean(), "gap": gaps.mean(), **slopes}


@torch.inference_mode()
def diversity(gan: GAN, batch: Batch) -> dict[str, Tensor]:  # -> ()
    """How far apart EMA samples lie, to real ones of the same classes; nothing where there are no two."""
    real, labels = batch.real[:DRAWN], None if batch.labels is None else batch.labels[:DRAWN]
    if len(real) < 2:
        return {}
    z = gan.prior.sample(len(real), gan.latent_dim, torch.device("cpu"), seeded_generator(Purpose.PICTURE, gan.seed, 2))
    samples = gan.ema.average(z.to(gan.device), labels)
    return {"diversity": mean_distance(samples, labels) / mean_distance(real, labels)}


def mean_distance(x: Tensor, labels: Tensor | None) -> Tensor:  # (N, …), (N,) -> ()
    """The mean distance of two of them, of the same class where there are such pairs."""
    x = x.flatten(1).float()
    pairs = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    if labels is not None:
        relatives = pairs & (labels[:, None] == labels)
        pairs = torch.where(relatives.sum() >= 2 * RELATIVES, relatives, pairs)
    return (torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") * pairs).sum() / pairs.sum()
