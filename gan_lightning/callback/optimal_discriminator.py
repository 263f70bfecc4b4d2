"""D against what theory says it learns: p / (p + q), and the value of the game against the Jensen–Shannon divergence.

    D*(x) = p(x) / (p(x) + q(x))
    V(D)  = E_p log D + E_q log(1 − D)  ≤  V(D*) = −log 4 + 2 · JSD(p, q),   −log 4 where p = q

p is the data's density and q the generator's, both known, so that the expectations are integrals and not averages over samples.
Goodfellow et al. 2014, proposition 1 and theorem 1.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

import torch
from matplotlib.figure import Figure
from pydantic import Field
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import softplus

from gan_lightning.callback.base import Row, Table
from gan_lightning.config.errors import UserError
from gan_lightning.data.base import Data
from gan_lightning.data.line import Line
from gan_lightning.gan import GAN
from gan_lightning.model.normal import Generator
from gan_lightning.prior.gaussian import Gaussian
from gan_lightning.run.directory import Run

POINTS, WIDTHS = 4001, 8  # of the grid that integrals are sums over; it reaches so many standard deviations beyond the centres
MASS = 0.99  # of (p + q) / 2, over which the largest error is looked for: elsewhere D has seen next to nothing


class Curves(NamedTuple):
    """Functions on the line, at the points of a grid; in float64."""

    x: Tensor  # (M,)
    p: Tensor
    q: Tensor
    logits: Tensor  # D's

    @property
    def best(self) -> Tensor:  # -> (M,), the logit of D*
        """The logarithm of p / q."""
        return self.p.log() - self.q.log()

    def mean(self, f: Tensor, density: Tensor) -> float:
        """∫ f · density dx."""
        return float(torch.trapezoid(f * density, self.x))

    def value(self, logits: Tensor) -> float:
        """V of the D with these logits."""
        return -self.mean(softplus(-logits), self.p) - self.mean(softplus(logits), self.q)


class OptimalDiscriminator(Table):
    """A row `every_n_steps` steps: `max_error` and `mean_error` of D under (p + q) / 2, `value` of D and `optimum` in theory."""

    name: ClassVar[str] = "optimal_discriminator"

    def __init__(self, run: Run, data: Data, every_n_steps: Annotated[int, Field(ge=1)] = 100) -> None:
        super().__init__(run)
        self.data, self.every_n_steps = data, every_n_steps

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Raises UserError if a density is not known."""
        assert isinstance(module, GAN)
        known = isinstance(self.data, Line) and isinstance(module.generator, Generator) and isinstance(module.prior, Gaussian)
        if not known or module.packing > 1:
            needed = "data=line, model=normal, prior=gaussian and gan.packing=1"
            raise UserError(f"callback.{self.name}: both densities must be known; it needs {needed}")

    def due(self, step: int, gan: GAN) -> bool:
        return step % self.every_n_steps == 0

    def measure(self, gan: GAN) -> Row:
        curves = self._curves(gan)
        error, middle = (curves.logits.sigmoid() - curves.best.sigmoid()).abs(), (curves.p + curves.q) / 2
        order = middle.argsort(descending=True)
        seen = order[: int((middle[order].cumsum(0) < MASS * middle.sum()).sum()) + 1]
        return {
            "max_error": float(error[seen].max()),
            "mean_error": curves.mean(error, middle),
            "value": curves.value(curves.logits),
            "optimum": curves.value(curves.best),
        }

    @torch.no_grad()
    def _curves(self, gan: GAN) -> Curves:
        assert isinstance(self.data, Line)
        assert isinstance(gan.generator, Generator)
        mean, std = (float(value) for value in gan.generator.moments)
        low = min(float(self.data.modes.min()) - WIDTHS * self.data.std, mean - WIDTHS * std)
        high = max(float(self.data.modes.max()) + WIDTHS * self.data.std, mean + WIDTHS * std)
        x = torch.linspace(low, high, POINTS, dtype=torch.float64)
        logits = gan.discriminator(x.float().unsqueeze(1).to(gan.device)).logits.double().cpu()
        tiny = torch.finfo(torch.float64).tiny
        return Curves(x, self.data.density(x).clamp_min(tiny), gan.generator.density(x).clamp_min(tiny), logits)

    def figure(self, gan: GAN) -> Figure:
        curves = self._curves(gan)
        figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
        shape, time = figure.subplots(1, 2)
        shown = (curves.p + curves.q) > 2e-4
        x = curves.x[shown]
        shape.fill_between(x, curves.p[shown], color="tab:blue", alpha=0.25, lw=0, label="p, data")
        shape.fill_between(x, curves.q[shown], color="tab:orange", alpha=0.25, lw=0, label="q, generator")
        shape.plot(x, curves.best.sigmoid()[shown], color="black", lw=1, ls="--", label="p / (p + q)")
        shape.plot(x, curves.logits.sigmoid()[shown], color="tab:red", lw=1.5, label="D, trained")
        shape.set_ylim(0, 1.02)
        shape.set_xlabel("x")
        shape.legend(loc="upper right", fontsize=8)
        steps = [row["step"] for row in self.rows]
        time.plot(steps, [row["value"] for row in self.rows], color="tab:red", label="V(D), trained")
        time.plot(steps, [row["optimum"] for row in self.rows], color="black", ls="--", label="−log 4 + 2 JSD(p, q)")
        time.axhline(-math.log(4), color="grey", lw=0.8, ls=":", label="−log 4")
        time.set_xlabel("step")
        time.legend(loc="lower right", fontsize=8)
        return figure
