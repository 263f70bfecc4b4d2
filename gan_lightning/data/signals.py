"""Signals of known spectrum, made by code: sums of sines, each with a frequency of its own, and heartbeats of known rate.

sines       x_c(t) = Σₖ aₖ sin(2π fₖ t + φₖ + c π/2),  fₖ in SINES cycles per signal; aₖ, φₖ uniform in AMPLITUDE, PHASE
heartbeats  x(t) = Σᵢ Σ_w height_w exp(−(t − tᵢ − offset_w)² / 2 width_w²),  tᵢ = t₀ + i · 60 / rate

The heartbeats are the five waves P, Q, R, S and T of an electrocardiogram as Gaussians, after McSharry et al. 2003, with a rate
in beats a minute that is drawn for each signal and does not change within it, without a baseline or noise.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from gan_lightning.data.base import Data, DataError, Seed, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.store import Store, split_indices

SINES = (3, 8, 20)  # cycles per signal
AMPLITUDE = ((0.3, 0.5), (0.1, 0.3), (0.05, 0.15))  # ranges of each sine's amplitude: their sum is below 1
PHASE = (0.0, 2 * np.pi)

WAVES = ((0.12, -0.20, 0.025), (-0.12, -0.035, 0.010), (0.9, 0.0, 0.012), (-0.2, 0.035, 0.012), (0.25, 0.22, 0.045))
"""Height, offset from the beat and width of P, Q, R, S and T; offset and width in seconds."""
RATES = (50.0, 110.0)  # beats a minute, drawn uniformly
NumSignals = Annotated[int, Field(ge=1, le=1_000_000)]


class MadeSignals(Data):
    """Make `count` signals; `signal_seed` chooses them, `seed` only orders them. `validation` and `test` are exact shares."""

    allowed: ClassVar[str]  # the shapes that the signals can have, in words

    def __init__(
        self, count: NumSignals = 10_000, signal_seed: Seed = 0, validation: Share = 0.1, test: Share = 0.1, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.num_signals, self.signal_seed, self.validation, self.test = count, signal_seed, validation, test

    def fits(self) -> bool:
        """Return whether the signals can have the shape of the config."""
        raise NotImplementedError

    def draw(self, random: np.random.Generator) -> np.ndarray:  # -> (count, C, T)
        """Return all signals."""
        raise NotImplementedError

    def count(self) -> SplitSizes:
        if len(self.sample_shape) != 2 or not self.fits():
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)} is no shape of these signals; allowed: {self.allowed}"
            )
        if self.num_classes:
            raise DataError(f"data.num_classes: the signals have no classes, not {self.num_classes}; allowed: 0")
        require_training_share(self.validation, self.test)
        return SplitSizes(*map(len, self.split()))

    def split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted indices of train, validation and test."""
        return split_indices(self.num_signals, self.validation, self.test)

    def load(self) -> Splits:
        self.count()
        samples = self.draw(np.random.default_rng(self.signal_seed)).astype(np.float32)
        return Splits(*(Store(samples, None, index) for index in self.split()))


class Sines(MadeSignals):
    """Add three sines of fixed frequencies; channel c is a quarter of a cycle ahead of channel c − 1 in each of them."""

    allowed = f"[C,T] with T at least {4 * max(SINES)}, such as [1,512]"

    def fits(self) -> bool:
        return self.sample_shape[1] >= 4 * max(SINES)

    def draw(self, random: np.random.Generator) -> np.ndarray:  # -> (count, C, T)
        channels, length = self.sample_shape
        time = np.arange(length) / length
        samples = np.zeros((self.num_signals, channels, length))
        for cycles, amplitude in zip(SINES, AMPLITUDE, strict=True):
            a, phase = random.uniform(*amplitude, self.num_signals), random.uniform(*PHASE, self.num_signals)
            angle = 2 * np.pi * cycles * time + phase[:, None, None] + np.pi / 2 * np.arange(channels)[:, None]
            samples += a[:, None, None] * np.sin(angle)
        return samples


class Heartbeats(MadeSignals):
    """Draw heartbeats at `sample_rate` values a second; each signal begins at a random moment between two beats."""

    allowed = "[1,T] with T at least 3 seconds, such as [1,512] at data.sample_rate=128"

    def __init__(self, sample_rate: Annotated[int, Field(ge=64, le=10_000)] = 128, **shared: Any) -> None:
        super().__init__(**shared)
        self.sample_rate = sample_rate

    def fits(self) -> bool:
        return self.sample_shape[0] == 1 and self.sample_shape[1] >= 3 * self.sample_rate

    def draw(self, random: np.random.Generator) -> np.ndarray:  # -> (count, 1, T)
        time = np.arange(self.sample_shape[1]) / self.sample_rate
        interval = 60 / random.uniform(*RATES, (self.num_signals, 1))  # seconds
        first = interval * random.uniform(-1, 0, (self.num_signals, 1))
        samples = np.zeros((self.num_signals, 1, len(time)))
        for beat in range(int(time[-1] / (60 / RATES[1])) + 3):
            for height, offset, width in WAVES:
                samples[:, 0] += height * np.exp(-((time - first - beat * interval - offset) ** 2) / (2 * width**2))
        return samples
