"""The share of generated tones whose pitch is one of the known pitches, and the share of the pitches that are found.

The pitch of a sample is the frequency of the highest peak of its spectrum: |FFT| of the Hann-windowed wave, padded with zeros
to twice its length, refined by a parabola through the logarithms of the peak and its two neighbours (Smith & Serra 1987). A
pitch counts as *found* within ±50 cents, half a semitone: |1200 log₂(f / pitch)| ≤ 50.

*harmonicity* is the share of the spectrum's energy near the whole multiples of the peak's frequency, within the window's main
lobe; noise in the right octave has a pitch, too, but not this.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.data.tones import Tones
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference

CENTS = 50
QUIET = 1e-3  # root mean square of a wave that has no pitch
LOBE = 2  # bins of an unpadded spectrum: half the main lobe of a Hann window


class PitchAccuracy(GenerativeMetric):
    """Measure shares in [0, 1]: of tones near a known pitch, and of pitches that occur among them.

    `asked_pitch`, only where the pitches are classes, is the share of tones within ±50 cents of the pitch that was asked for.
    """

    maximize: ClassVar[dict[str, bool]] = {"pitch_accuracy": True, "pitches": True, "harmonicity": True}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("pitch_accuracy", "pitches", "harmonicity", "asked_pitch")
    frequency: list[Tensor]  # (n,) each, in Hz; NaN: no pitch
    harmonic: list[Tensor]  # (n,) each, in [0, 1]
    asked: list[Tensor]  # (n,) each, int64

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.pitches, self.sample_rate = torch.ones(1, dtype=torch.float64), 1
        for state in ("frequency", "harmonic", "asked"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Tones):
            return "pitch accuracy needs data whose pitches are known, such as data=tones; use metric=none"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Tones)
        self.pitches = torch.tensor(reference.data.pitches, dtype=torch.float64)
        self.sample_rate = reference.data.sample_rate

    def update(self, samples: Tensor, condition: Tensor | None) -> None:  # (N, 1, T)
        frequency, harmonic = read_pitch(samples[:, 0].double().cpu(), self.sample_rate)
        self.frequency.append(frequency)
        self.harmonic.append(harmonic)
        self.asked.append(torch.full((len(samples),), -1) if condition is None else condition.cpu())

    def compute(self) -> dict[str, Tensor]:
        states = (self.frequency, self.harmonic, self.asked)
        frequency, harmonic, asked = (dim_zero_cat(x) if len(x) else torch.empty(0) for x in states)
        if not len(frequency):
            raise TooFewSamplesError("pitch_accuracy: at least 1 generated sample is needed, not 0")
        cents, nearest = (1200 * (frequency.unsqueeze(1) / self.pitches).log2()).abs().nan_to_num(torch.inf).min(1)
        found = cents <= CENTS
        numbers = {
            "pitch_accuracy": found.double().mean(),
            "pitches": (nearest[found].bincount(minlength=len(self.pitches)) > 0).double().mean(),
            "harmonicity": harmonic.mean(),
        }
        if bool((asked >= 0).all()):
            numbers["asked_pitch"] = (found & (nearest == asked)).double().mean()
        return numbers


def read_pitch(waves: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:  # (N, T) float64 -> (N,), (N,)
    """Return the frequency in Hz of each wave's highest peak, NaN if it has none, and the share of energy at its multiples."""
    n, length = waves.shape
    if not n:
        return torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.float64)
    finite = waves.isfinite().all(1)
    waves = torch.where(finite.unsqueeze(1), waves, 0.0)
    spectrum = torch.fft.rfft(waves * torch.hann_window(length, dtype=torch.float64), 2 * length).abs()
    k = spectrum[:, 1:-1].argmax(1) + 1  # a peak has two neighbours
    left, top, right = (spectrum.gather(1, (k + side).unsqueeze(1)).squeeze(1).clamp(min=1e-30).log() for side in (-1, 0, 1))
    curvature = left - 2 * top + right
    offset = torch.where(curvature < 0, (left - right) / (2 * curvature), 0.0).clamp(-0.5, 0.5)
    place = k + offset  # in bins of the padded spectrum
    loud = finite & (waves.square().mean(1).sqrt() > QUIET)
    bins = torch.arange(spectrum.shape[1])
    distance = (bins / place.unsqueeze(1) - (bins / place.unsqueeze(1)).round().clamp(min=1)).abs() * place.unsqueeze(1)
    energy = spectrum.square()
    share = torch.where(distance <= 2 * LOBE, energy, 0.0).sum(1) / energy.sum(1).clamp(min=1e-30)
    return torch.where(loud, place * sample_rate / (2 * length), torch.nan), torch.where(loud, share, 0.0)
