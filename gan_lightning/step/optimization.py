"""The optimization of one player: its optimizer, and settings that depend on the step or on a parameter's name.

A schedule multiplies the first value of a setting: `lr`, `weight_decay` or any other number of the optimizer, `beta1` and
`beta2` of its betas; R3GAN (Huang et al. 2024) schedules the learning rate and beta2. Parameters are frozen, or learn at a
multiple of the learning rate, by the beginning of their names: FreezeD (Mo et al. 2020) freezes D's first layers, StyleGAN
(Karras et al. 2019, appendix C) multiplies the rate of its mapping network by 0.01.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from gan_lightning.step.progress import Progress
from gan_lightning.step.schedule import Schedule

Player = Literal["discriminator", "generator"]
PLAYERS: tuple[Player, Player] = ("discriminator", "generator")  # in the order of their updates, and of the optimizers
BETAS = {"beta1": 0, "beta2": 1}  # names of the entries of an optimizer's `betas`
INITIAL = "initial_"  # prefix of the first values of scheduled settings, in an optimizer's parameter groups


class PlayerOptimizer:
    """Build a player's optimizer, and set what is scheduled before each step.

    `make` maps parameters to an optimizer. `schedules` are pairs of a setting and its schedule; those of one setting are
    multiplied. `lr_multipliers` maps beginnings of parameters' names to multiples of the learning rate; 0 freezes.
    """

    def __init__(
        self,
        make: Callable[[list[Any]], Optimizer],
        schedules: Sequence[tuple[str, Schedule]] = (),
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        self.make, self.schedules, self.lr_multipliers = make, schedules, lr_multipliers or {}

    def build(self, network: nn.Module, heads: Sequence[nn.Parameter] = ()) -> Optimizer:
        """Return a new optimizer of the network's parameters, and of `heads`, which have no name; freeze what is frozen."""
        if not self.lr_multipliers:
            return self.make([*network.parameters(), *heads])
        groups: dict[float, list[nn.Parameter]] = {1.0: list(heads)}
        for name, parameter in network.named_parameters():
            if multiplier := self.multiplier(name):
                groups.setdefault(multiplier, []).append(parameter)
            else:
                parameter.requires_grad_(False)
        optimizer = self.make([{"params": parameters} for parameters in groups.values() if parameters])
        for group, multiplier in zip(optimizer.param_groups, (m for m in groups if groups[m]), strict=True):
            group["lr"] = group["lr"] * multiplier
        return optimizer

    def multiplier(self, name: str) -> float:
        """Return the multiple of the learning rate of a parameter: that of the longest beginning that fits, otherwise 1."""
        fitting = [prefix for prefix in self.lr_multipliers if is_prefix(prefix, name)]
        return self.lr_multipliers[max(fitting, key=len)] if fitting else 1.0

    def advance(self, optimizer: Optimizer, progress: Progress) -> None:
        """Set what is scheduled; the first values are kept in the parameter groups, so that a resumed run has them."""
        factors: dict[str, float] = {}
        for name, schedule in self.schedules:
            factors[name] = factors.get(name, 1.0) * schedule(progress.fraction)
        for group in optimizer.param_groups:
            for name, factor in factors.items():
                key = "betas" if name in BETAS else name
                first = group.setdefault(INITIAL + key, group[key])
                group[key] = scaled_beta(group[key], first, BETAS[name], factor) if name in BETAS else first * factor


def scaled_beta(betas: Sequence[float], first: Sequence[float], i: int, factor: float) -> Sequence[float]:
    """Return the betas, a list or a tuple as they are, with the i-th set to its first value times a factor."""
    scaled = [first[j] * factor if j == i else beta for j, beta in enumerate(betas)]
    return scaled if isinstance(betas, list) else tuple(scaled)


def is_prefix(prefix: str, name: str) -> bool:
    """Return whether a dotted name is `prefix`, or lies inside it."""
    return name == prefix or name.startswith(prefix + ".")
