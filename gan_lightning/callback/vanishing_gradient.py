"""G's gradient under two losses while D is trained ahead: it vanishes under minimax, but not under −log D(G(z)).

    minimax         ∂ log(1 − D) / ∂ logit = −D           → |∇G| = |Jᵀ D / N|
    non_saturating  ∂ (−log D) / ∂ logit   = −(1 − D)     → |∇G| = |Jᵀ (1 − D) / N|

with D = sigmoid(logit) of G's N samples and J the Jacobian of the logits with respect to G's parameters. `ratio` is computed
from the gradients of the two losses, `predicted_ratio` from J weighted by D and by 1 − D. Goodfellow et al. 2014, section 3;
Arjovsky & Bottou 2017, theorem 2.4.
"""

from __future__ import annotations

from statistics import fmean
from typing import Annotated, ClassVar

import torch
from matplotlib.figure import Figure
from pydantic import Field
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm

from gan_lightning.callback.base import Row, Table
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.loss.minimax import Minimax
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.run.directory import Run
from gan_lightning.step.seeding import Purpose, seeded_generator
from gan_lightning.step.types import Count

Few = Annotated[int, Field(ge=1, le=100_000)]  # the gradients of all samples are held in memory
LOSSES = {"minimax": Minimax(), "non_saturating": NonSaturating()}
LEVEL, WINDOW = 0.25, 5  # G has recovered when the mean of D(G(z)) over 5 rows reaches 0.25; at equilibrium it is 0.5


class VanishingGradient(Table):
    """Measure about `points` rows during D's warm-up, at steps in equal ratios, then one every `every_n_steps` steps.

    All rows use the same z. `recovered_after` in result.json is the number of steps from the end of the warm-up until G has
    recovered.
    """

    name: ClassVar[str] = "vanishing_gradient"

    def __init__(self, run: Run, data: Data, every_n_steps: Count = 10, points: Few = 15, num_samples: Few = 128) -> None:
        super().__init__(run)
        self.data, self.every_n_steps, self.points, self.num_samples = data, every_n_steps, points, num_samples

    def due(self, step: int, gan: GAN) -> bool:
        warmup = gan.discriminator_warmup_steps
        marks = {0, *(round(warmup ** (i / max(self.points - 2, 1))) for i in range(self.points - 1) if warmup), warmup}
        return step in marks or (step > warmup and (step - warmup) % self.every_n_steps == 0)

    def measure(self, gan: GAN) -> Row:
        parameters = [p for p in gan.generator.parameters() if p.requires_grad]
        with torch.enable_grad():
            logits = self._logits(gan)
            losses = {name: loss.generator(None, logits).mean() for name, loss in LOSSES.items()}
            row = {
                name: get_total_norm(torch.autograd.grad(loss, parameters, retain_graph=True)) for name, loss in losses.items()
            }
            d = torch.sigmoid(logits).detach()
            predicted = [
                get_total_norm(torch.autograd.grad(logits, parameters, w / len(d), retain_graph=True)) for w in (d, 1 - d)
            ]
        row["ratio"] = row["minimax"] / row["non_saturating"]
        row["predicted_ratio"] = predicted[0] / predicted[1]
        row["discriminator_of_fake"] = d.mean()
        return {name: float(value) for name, value in row.items()}

    def _logits(self, gan: GAN) -> Tensor:  # -> (num_samples / packing,)
        """Return D's logits of samples that G generates as in training, from z that is the same at every step."""
        n = self.num_samples - self.num_samples % gan.packing
        source = seeded_generator(Purpose.PICTURE, gan.seed, 2)
        z = gan.prior.sample(n, gan.latent_dim, torch.device("cpu"), source).to(gan.device)
        condition = self.data.conditions(0, n)
        condition = None if condition is None else condition.to(gan.device)
        return gan.discriminate(gan.generator(z, condition), condition).mean_logits

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_end(trainer, module)
        assert isinstance(module, GAN)
        if trainer.is_global_zero and trainer.global_step > module.discriminator_warmup_steps:
            steps = self.recovered_after(module.discriminator_warmup_steps)
            self.run.record(recovered_after=steps)
            for logger in trainer.loggers if steps is not None else ():
                logger.log_metrics({f"{self.name}/recovered_after": float(steps or 0)}, trainer.global_step)

    def recovered_after(self, warmup: int) -> int | None:
        """Return the steps from step `warmup`, the end of D's warm-up, until G has recovered; None if it has not."""
        rows = [row for row in self.rows if row["step"] > warmup]
        for i in range(WINDOW, len(rows) + 1):
            if fmean(row["discriminator_of_fake"] for row in rows[i - WINDOW : i]) >= LEVEL:
                return int(rows[i - 1]["step"]) - warmup
        return None

    def figure(self, gan: GAN) -> Figure:
        warmup = gan.discriminator_warmup_steps
        figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
        during, after = figure.subplots(1, 2)
        early = [row for row in self.rows if row["step"] <= warmup]
        late = [row for row in self.rows if row["step"] >= warmup]
        for name, colour in (("minimax", "tab:red"), ("non_saturating", "tab:blue")):
            during.plot(*columns(early, name), "o-", ms=3, color=colour, label=f"|∇G|, {name}")
        during.plot(*columns(early, "discriminator_of_fake"), ":", color="black", label="D(G(z))")
        during.set_xscale("symlog", linthresh=1)
        during.set_xlim(0)
        during.set_yscale("log")
        during.set_xlabel("k, steps that D learned alone")
        during.set_title("D's head start: the gradient that G would get", fontsize=10)
        during.legend(loc="lower left")
        after.plot(*columns(late, "discriminator_of_fake"), color="black", lw=1)
        after.axhline(LEVEL, color="grey", lw=0.8, ls="--")
        steps = self.recovered_after(warmup)
        if steps is not None:
            after.axvline(warmup + steps, color="tab:green", lw=1)
        after.set_xlabel("step")
        after.set_ylabel("D(G(z))")
        after.set_ylim(0, 1)
        outcome = f"recovered after {steps} steps" if steps is not None else "not recovered"
        after.set_title(f"Both learn, {type(gan.loss).__name__}: {outcome}", fontsize=10)
        return figure


def columns(rows: list[Row], name: str) -> tuple[list[float], list[float]]:
    """Return the steps of the rows and their values of one column."""
    return [row["step"] for row in rows], [row[name] for row in rows]
