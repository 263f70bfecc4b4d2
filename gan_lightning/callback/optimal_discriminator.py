"""The trained D against the optimal one, and the value of the game against the Jensen–Shannon divergence.

    D*(x) = p(x) / (p(x) + q(x))
    V(D)  = E_p log D + E_q log(1 − D)  ≤  V(D*) = −log 4 + 2 · JSD(p, q),   −log 4 where p = q

p is the density of the data and q that of the generator. Both are known, so that the expectations are integrals and not
averages over samples. Goodfellow et al. 2014, proposition 1 and theorem 1.
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

GRID_POINTS, GRID_MARGIN = 4001, 8  # the grid of the integrals reaches 8 standard deviations beyond every mean
MASS = 0.99  # of (p + q) / 2, where max_error is measured: outside, D has been trained on hardly any sample


class Curves(NamedTuple):
    """Hold functions on the M points of a grid, in float64."""

    x: Tensor  # (M,)
    p: Tensor  # (M,)
    q: Tensor  # (M,)
    logits: Tensor  # (M,), of the trained D

    @property
    def optimal_logits(self) -> Tensor:  # -> (M,)
        """Return the logits of D*, log p − log q."""
        return self.p.log() - self.q.log()

    def mean(self, f: Tensor, density: Tensor) -> float:  # (M,), (M,)
        """Return ∫ f · density dx."""
        return float(torch.trapezoid(f * density, self.x))

    def value(self, logits: Tensor) -> float:  # (M,)
        """Return V(D) of the D with these logits."""
        return -self.mean(softplus(-logits), self.p) - self.mean(softplus(logits), self.q)


class OptimalDiscriminator(Table):
    """Measure `max_error` and `mean_error` of D under (p + q) / 2, its `value` V(D), and the `optimum` V(D*)."""

    name: ClassVar[str] = "optimal_discriminator"

    def __init__(self, run: Run, data: Data, every_n_steps: Annotated[int, Field(ge=1)] = 100) -> None:
        super().__init__(run)
        self.data, self.every_n_steps = data, every_n_steps

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Check that both densities are known. Raises UserError if one is not."""
        assert isinstance(module, GAN)
        known = isinstance(self.data, Line) and isinstance(module.generator, Generator) and isinstance(module.prior, Gaussian)
        if not known or module.packing > 1:
            needed = "data=line, model=normal, prior=gaussian and gan.packing=1"
            raise UserError(f"callback.{self.name}: both densities must be known; it needs {needed}")

    def due(self, step: int, gan: GAN) -> bool:
        return step % self.every_n_steps == 0

    def measure(self, gan: GAN) -> Row:
        curves = self._curves(gan)
        error, mixture = (curves.logits.sigmoid() - curves.optimal_logits.sigmoid()).abs(), (curves.p + curves.q) / 2
        order = mixture.argsort(descending=True)
        most_likely = order[: int((mixture[order].cumsum(0) < MASS * mixture.sum()).sum()) + 1]
        return {
            "max_error": float(error[most_likely].max()),
            "mean_error": curves.mean(error, mixture),
            "value": curves.value(curves.logits),
            "optimum": curves.value(curves.optimal_logits),
        }

    @torch.no_grad()
    def _curves(self, gan: GAN) -> Curves:
        assert isinstance(self.data, Line)
        assert isinstance(gan.generator, Generator)
        mean, std = (float(value) for value in gan.generator.moments)
        low = min(float(self.data.modes.min()) - GRID_MARGIN * self.data.std, mean - GRID_MARGIN * std)
        high = max(float(self.data.modes.max()) + GRID_MARGIN * self.data.std, mean + GRID_MARGIN * std)
        x = torch.linspace(low, high, GRID_POINTS, dtype=torch.float64)
        logits = gan.discriminator(x.float().unsqueeze(1).to(gan.device)).mean_logits.double().cpu()
        tiny = torch.finfo(torch.float64).tiny
        return Curves(x, self.data.density(x).clamp_min(tiny), gan.generator.density(x).clamp_min(tiny), logits)

    def figure(self, gan: GAN) -> Figure:
        curves = self._curves(gan)
        figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
        densities, values = figure.subplots(1, 2)
        shown = (curves.p + curves.q) > 2e-4
        x = curves.x[shown]
        densities.fill_between(x, curves.p[shown], color="tab:blue", alpha=0.25, lw=0, label="p, data")
        densities.fill_between(x, curves.q[shown], color="tab:orange", alpha=0.25, lw=0, label="q, generator")
        densities.plot(x, curves.optimal_logits.sigmoid()[shown], color="black", lw=1, ls="--", label="p / (p + q)")
        densities.plot(x, curves.logits.sigmoid()[shown], color="tab:red", lw=1.5, label="D, trained")
        densities.set_ylim(0, 1.02)
        densities.set_xlabel("x")
        densities.legend(loc="upper right", fontsize=8)
        steps = [row["step"] for row in self.rows]
        values.plot(steps, [row["value"] for row in self.rows], color="tab:red", label="V(D), trained")
        values.plot(steps, [row["optimum"] for row in self.rows], color="black", ls="--", label="−log 4 + 2 JSD(p, q)")
        values.axhline(-math.log(4), color="grey", lw=0.8, ls=":", label="−log 4")
        values.set_xlabel("step")
        values.legend(loc="lower right", fontsize=8)
        return figure
