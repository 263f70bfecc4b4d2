"""The gradient that G would get under either loss, while D runs ahead: it vanishes under minimax, not under −log D(G(z)).

    minimax         ∂ log(1 − D) / ∂ logit = −D           → |∇G| = |Jᵀ D / N|
    non_saturating  ∂ (−log D) / ∂ logit   = −(1 − D)     → |∇G| = |Jᵀ (1 − D) / N|

with D = sigmoid(logit) of G's N samples and J the Jacobian of the logits by G's parameters. The `ratio` of the two lengths is
that of the losses' own gradients, `predicted_ratio` that of J weighed by D and by 1 − D. Goodfellow et al. 2014, section 3;
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

from gan_lightning.callback.base import Row, Table
from gan_lightning.data.base import Data
from gan_lightning.gan import GAN
from gan_lightning.loss.minimax import Minimax
from gan_lightning.loss.non_saturating import NonSaturating
from gan_lightning.run.directory import Run
from gan_lightning.step.seeding import Purpose, seeded_generator

LOSSES = {"minimax": Minimax(), "non_saturating": NonSaturating()}
LEVEL, WINDOW = 0.25, 5  # G has recovered when the mean of D(G(z)) over so many rows is at the level; at equilibrium it is 0.5
Count = Annotated[int, Field(ge=1)]


class VanishingGradient(Table):
    """About `points` rows over `gan.discriminator_warmup_steps`, at steps in equal ratios, then one `every_n_steps` steps; always for the same z.

    What it costs G is `recovered_after` in result.json: steps from the head start's end until G has recovered.
    """

    name: ClassVar[str] = "vanishing_gradient"

    def __init__(self, run: Run, data: Data, every_n_steps: Count = 10, points: Count = 15, num_samples: Count = 128) -> None:
        super().__init__(run)
        self.data, self.every_n_steps, self.points, self.num_samples = data, every_n_steps, points, num_samples

    def due(self, step: int, gan: GAN) -> bool:
        head = gan.discriminator_warmup_steps
        marks = {0, *(round(head ** (i / max(self.points - 2, 1))) for i in range(self.points - 1) if head), head}
        return step in marks or (step > head and (step - head) % self.every_n_steps == 0)

    def measure(self, gan: GAN) -> Row:
        parameters = [p for p in gan.generator.parameters() if p.requires_grad]
        with torch.enable_grad():
            logits = self._logits(gan)
            terms = {name: loss.generator(None, logits).mean() for name, loss in LOSSES.items()}
            found = {name: norm(torch.autograd.grad(t, parameters, retain_graph=True)) for name, t in terms.items()}
            d = torch.sigmoid(logits).detach()
            weighed = [norm(torch.autograd.grad(logits, parameters, w / len(d), retain_graph=True)) for w in (d, 1 - d)]
        found["ratio"] = found["minimax"] / found["non_saturating"]
        found["predicted_ratio"] = weighed[0] / weighed[1]
        found["discriminator_of_fake"] = d.mean()
        return {name: float(value) for name, value in found.items()}

    def _logits(self, gan: GAN) -> Tensor:  # -> (num_samples / packing,), D's word on samples drawn as G trains
        n, classes = self.num_samples - self.num_samples % gan.packing, self.data.num_classes
        z = gan.prior.sample(n, gan.latent_dim, torch.device("cpu"), seeded_generator(Purpose.PICTURE, gan.seed, 2)).to(
            gan.device
        )
        labels = (torch.arange(n) % classes).to(gan.device) if classes else None
        return gan.discriminate(gan.generator(z, labels), labels).logits

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_end(trainer, module)
        assert isinstance(module, GAN)
        if trainer.is_global_zero and trainer.global_step > module.discriminator_warmup_steps:
            steps = self.recovered_after(module.discriminator_warmup_steps)
            self.run.record(recovered_after=steps)
            for logger in trainer.loggers if steps is not None else ():
                logger.log_metrics({f"{self.name}/recovered_after": float(steps or 0)}, trainer.global_step)

    def recovered_after(self, head: int) -> int | None:
        """Steps from the head start's end until G has recovered; None: it has not."""
        after = [row for row in self.rows if row["step"] > head]
        for i in range(WINDOW, len(after) + 1):
            if fmean(row["discriminator_of_fake"] for row in after[i - WINDOW : i]) >= LEVEL:
                return int(after[i - 1]["step"]) - head
        return None

    def figure(self, gan: GAN) -> Figure:
        head = gan.discriminator_warmup_steps
        figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
        during, after = figure.subplots(1, 2)
        early = [row for row in self.rows if row["step"] <= head]
        late = [row for row in self.rows if row["step"] >= head]
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
        steps = self.recovered_after(head)
        if steps is not None:
            after.axvline(head + steps, color="tab:green", lw=1)
        after.set_xlabel("step")
        after.set_ylabel("D(G(z))")
        after.set_ylim(0, 1)
        said = f"recovered after {steps} steps" if steps is not None else "not recovered"
        after.set_title(f"Both learn, {type(gan.loss).__name__}: {said}", fontsize=10)
        return figure


def norm(gradients: tuple[Tensor, ...]) -> Tensor:  # -> ()
    """The length over all of them."""
    return torch.nn.utils.get_total_norm(gradients)


def columns(rows: list[Row], name: str) -> tuple[list[float], list[float]]:
    """Steps, and the values there."""
    return [row["step"] for row in rows], [row[name] for row in rows]
