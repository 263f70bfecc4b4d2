"""The distance of the mean power spectrum of generated signals from that of real ones.

spectrum_distance = ½ Σ_f |P(f) − Q(f)|,  P and Q the mean of |FFT|² over the samples and channels, each divided by its sum

This is the total variation distance of two distributions of power over frequency: 0 for the same, 1 for spectra that share no
frequency. *power_error* is |log₁₀| of the ratio of the two sums, in bels. The mean spectrum is blind to phases and to which
frequencies occur together; *spread_error* is therefore the mean over the frequencies, weighted by Q, of
|σ_generated − σ_real| / mean_real of the amplitude |FFT|.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gan_lightning.data.base import Data
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference


class SpectrumDistance(GenerativeMetric):
    """Compare the spectra of signals (N, C, T) with those of the reference samples."""

    maximize: ClassVar[dict[str, bool]] = {"spectrum_distance": False, "power_error": False, "spread_error": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("spectrum_distance", "power_error", "spread_error")
    min_samples: ClassVar[int] = 2
    min_reference: ClassVar[int] = 2
    amplitudes: list[Tensor]  # (n, C · frequencies) each

    def __init__(self, num_samples: NumSamples = 1000) -> None:
        super().__init__(num_samples)
        self.reference = torch.zeros(0, 1, dtype=torch.float64)
        self.add_state("amplitudes", [], dist_reduce_fx="cat")

    def incompatibility(self, data: Data) -> str | None:
        if len(data.sample_shape) != 2:
            shape = list(data.sample_shape)
            return f"the spectrum distance compares signals (C, T), such as data=signals, not samples of shape {shape}"
        return None

    def set_reference(self, reference: Reference) -> None:
        self.reference = amplitudes(reference.samples().real)

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": len(self.reference)}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        self.amplitudes.append(amplitudes(samples.cpu()))

    def compute(self) -> dict[str, Tensor]:
        generated = dim_zero_cat(self.amplitudes) if len(self.amplitudes) else self.reference[:0]
        for kind, found in (("generated", generated), ("real", self.reference)):
            if len(found) < 2:
                raise TooFewSamplesError(f"spectrum_distance: at least 2 {kind} samples are needed, not {len(found)}")
        power, real_power = generated.square().mean(0), self.reference.square().mean(0)
        p, q = power / power.sum(), real_power / real_power.sum()
        spread = (generated.std(0) - self.reference.std(0)).abs() / self.reference.mean(0).clamp(min=1e-12)
        return {
            "spectrum_distance": (p - q).abs().sum() / 2,
            "power_error": (power.sum() / real_power.sum()).log10().abs(),
            "spread_error": (q * spread).sum(),
        }


def amplitudes(signals: Tensor) -> Tensor:  # (N, C, T) -> (N, C · (T // 2 + 1))
    """Return |FFT| of each channel, one after another."""
    return torch.fft.rfft(signals.double(), dim=2).abs().flatten(1)
