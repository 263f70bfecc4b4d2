"""The rate of generated heartbeats, against the rates that are known.

A beat is a local maximum of at least half of the height of the R wave; of two within a quarter of a second, the higher one
counts. The rate of a signal is 60 over the mean time between its beats.

readable      the share of signals with at least two beats, intervals that differ by at most 10 % from their mean, and a rate
              within 5 % of the known range
rate_ks       the Kolmogorov-Smirnov distance of the readable rates from their known distribution, which is uniform
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.signals import RATES, WAVES, Heartbeats
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference

HEIGHT = max(height for height, _, _ in WAVES) / 2
REFRACTORY = 0.25  # seconds
IRREGULARITY, MARGIN = 0.1, 0.05  # shares


class BeatRate(GenerativeMetric):
    """Measure the share of signals whose beats are regular, and how their rates are distributed."""

    maximize: ClassVar[dict[str, bool]] = {"rate_ks": False, "readable": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("rate_ks", "readable")
    rates: list[Tensor]  # (n,) each, beats a minute; NaN: not readable

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.sample_rate = 1
        self.add_state("rates", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Heartbeats):
            return "the beat rate needs signals whose rates are known, such as data=heartbeats; use metric=none"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Heartbeats)
        self.sample_rate = reference.data.sample_rate

    def update(self, samples: Tensor, condition: Tensor | None) -> None:  # (N, 1, T)
        waves = samples[:, 0].double().cpu().numpy()
        self.rates.append(torch.tensor([read_rate(wave, self.sample_rate) for wave in waves], dtype=torch.float64))

    def compute(self) -> dict[str, Tensor]:
        rates = dim_zero_cat(self.rates) if len(self.rates) else torch.empty(0)
        if not len(rates):
            raise TooFewSamplesError("beat_rate: at least 1 generated sample is needed, not 0")
        readable = rates[rates.isfinite()].sort().values
        n, (low, high) = len(readable), RATES
        expected = ((readable - low) / (high - low)).clamp(0, 1)
        steps = torch.arange(n + 1, dtype=torch.float64) / max(n, 1)
        ks = torch.maximum(expected - steps[:-1], steps[1:] - expected).max() if n else torch.tensor(1.0, dtype=torch.float64)
        return {"rate_ks": ks, "readable": torch.tensor(n / len(rates), dtype=torch.float64)}


def read_rate(wave: np.ndarray, sample_rate: int) -> float:  # (T,)
    """Return the beats a minute of one signal; NaN if they are not regular, or outside of the known range."""
    if not np.isfinite(wave).all():
        return float("nan")
    peaks = find_beats(wave, round(REFRACTORY * sample_rate))
    intervals = np.array([(b - a) / sample_rate for a, b in pairwise(peaks)])
    if not len(intervals) or np.abs(intervals / intervals.mean() - 1).max() > IRREGULARITY:
        return float("nan")
    rate = 60 / float(intervals.mean())
    return rate if RATES[0] * (1 - MARGIN) <= rate <= RATES[1] * (1 + MARGIN) else float("nan")


def find_beats(wave: np.ndarray, distance: int) -> list[int]:  # (T,)
    """Return the sorted positions of the beats, which are farther apart than `distance` values."""
    inner = wave[1:-1]
    maxima = np.flatnonzero((inner >= HEIGHT) & (inner > wave[:-2]) & (inner >= wave[2:])) + 1
    beats: list[int] = []
    for place in maxima[np.argsort(-wave[maxima], kind="stable")].tolist():
        if all(abs(place - beat) > distance for beat in beats):
            beats.append(place)
    return sorted(beats)
