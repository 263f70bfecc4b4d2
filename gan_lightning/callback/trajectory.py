"""The trajectory of the Dirac-GAN's two parameters: θ, the position of G's samples, and ψ, the slope of D.

In the plane (θ, ψ), convergence, cycling and divergence are visibly different curves (Mescheder et al. 2018, figure 2).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from matplotlib.figure import Figure
from pydantic import Field
from pytorch_lightning import LightningModule, Trainer

from gan_lightning.callback.base import Row, Table
from gan_lightning.config.errors import UserError
from gan_lightning.gan import GAN
from gan_lightning.run.directory import Run


class Trajectory(Table):
    """Measure `theta` and `psi` every `every_n_steps` steps."""

    name: ClassVar[str] = "trajectory"

    def __init__(self, run: Run, every_n_steps: Annotated[int, Field(ge=1)] = 1) -> None:
        super().__init__(run)
        self.every_n_steps = every_n_steps

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Check the networks. Raises UserError unless each has exactly one parameter."""
        assert isinstance(module, GAN)
        sizes = [sum(p.numel() for p in player.parameters()) for player in (module.generator, module.discriminator)]
        if sizes != [1, 1]:
            raise UserError(
                f"callback.{self.name}: the players have {sizes[0]} and {sizes[1]} parameters, not one each; use model=dirac"
            )

    def due(self, step: int, gan: GAN) -> bool:
        return step % self.every_n_steps == 0

    def measure(self, gan: GAN) -> Row:
        (theta,), (psi,) = gan.generator.parameters(), gan.discriminator.parameters()
        return {"theta": float(theta.detach()), "psi": float(psi.detach())}

    def figure(self, gan: GAN) -> Figure:
        steps, theta, psi = ([row[key] for row in self.rows] for key in ("step", "theta", "psi"))
        figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
        plane, norms = figure.subplots(1, 2)
        plane.plot(theta, psi, color="lightgrey", lw=0.7, zorder=1)
        points = plane.scatter(theta, psi, c=steps, s=4, cmap="viridis", zorder=2)
        plane.plot(theta[0], psi[0], "o", color="tab:red", label="start")
        plane.plot(0, 0, "+", color="black", ms=10, label="equilibrium")
        plane.set_aspect("equal", adjustable="datalim")
        plane.set_xlabel("θ")
        plane.set_ylabel("ψ")
        plane.legend(loc="lower left", fontsize=8)
        figure.colorbar(points, ax=plane, label="step")
        norms.plot(steps, [abs(t) for t in theta], lw=0.8, color="tab:orange", label="|θ|")
        norms.plot(steps, [(t * t + p * p) ** 0.5 for t, p in zip(theta, psi, strict=True)], color="black", label="|(θ, ψ)|")
        norms.set_yscale("log")
        norms.set_xlabel("step")
        norms.legend(loc="upper right")
        return figure
