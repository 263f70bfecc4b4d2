"""The statistics of piano rolls beside those of real ones: MuseGAN's metrics, notes in the scale, and chords.

empty_bars       share of bars in which a voice is silent (EB)
pitch_classes    number of pitch classes in a voice's bar, of those that are not empty (UPC)
qualified_notes  share of notes that have at least `qualified_steps` steps: few short notes mean no fragments (QN)
tonal_distance   mean distance of two voices' tonal centroids in a beat in which both sound (TD)
in_scale         share of notes in the scale of C major and A minor: of pieces that are moved to these keys
polyphony        share of a voice's sounding steps with more than one pitch
chords           total variation distance of the pitch classes that sound together, in each beat, from those of real samples
difference       the largest |value − real| / max(real, 0.01) of the first five; with one voice there is no tonal distance

Dong et al. 2018, section 5.1; a qualified note has three of 96 steps there, which is less than one of 16. The tonal centroid of
a chroma vector c is Σ c[l] Φ(l) / Σ c with Φ(l) = (sin 7πl/6, cos 7πl/6, sin 3πl/2, cos 3πl/2, ½ sin 2πl/3, ½ cos 2πl/3): Harte
et al. 2006, section 3. These averages can be right where single samples are not; `chords` sees more.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from gan_lightning.data.base import Data
from gan_lightning.data.music import Music
from gan_lightning.data.musical_key import SCALE
from gan_lightning.metric.base import GenerativeMetric, NumSamples, TooFewSamplesError
from gan_lightning.metric.reference import Reference
from gan_lightning.step.types import Count

COMPARED = ("empty_bars", "pitch_classes", "qualified_notes", "tonal_distance", "in_scale")
NAMES = (*COMPARED, "polyphony")
SMALLEST = 0.01  # real values below it are compared as if they were it: of real chorales 0.01 % of bars are empty
NUM_CHORDS = 2**12


class Rolls(NamedTuple):
    """Hold binary rolls and what their cells mean."""

    cells: Tensor  # (N, V, T, P) bool
    lowest: int  # MIDI pitch of index 0
    steps_per_bar: int
    steps_per_beat: int

    def by_class(self, steps: int) -> Tensor:  # -> (N, V, T / steps, 12)
        """Return how many cells of each pitch class sound in each group of `steps` steps."""
        grouped = self.cells.reshape(*self.cells.shape[:2], -1, steps, self.cells.shape[3]).sum(3)
        classes = (torch.arange(self.cells.shape[3], device=self.cells.device) + self.lowest) % 12
        return grouped.new_zeros((*grouped.shape[:3], 12)).index_add_(3, classes, grouped)


class PianoRollStatistics(GenerativeMetric):
    """Compare the statistics of generated rolls with those of the reference samples."""

    maximize: ClassVar[dict[str, bool]] = {"difference": False, "in_scale": True, "chords": False}
    nonzero_floor: ClassVar[tuple[str, ...]] = ("difference", "chords")
    min_reference: ClassVar[int] = 1
    sums: Tensor  # (2, names): of each number's numerator and denominator
    chord_counts: Tensor  # (NUM_CHORDS,)

    def __init__(self, qualified_steps: Count = 2, num_samples: NumSamples = 2000) -> None:
        super().__init__(num_samples)
        self.qualified_steps = qualified_steps
        self.music: Music | None = None
        self.reference, self.reference_chords, self.num_reference = dict.fromkeys(NAMES, math.nan), torch.zeros(NUM_CHORDS), 0
        self.add_state("sums", torch.zeros(2, len(NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("chord_counts", torch.zeros(NUM_CHORDS, dtype=torch.float64), dist_reduce_fx="sum")

    def incompatibility(self, data: Data) -> str | None:
        if not isinstance(data, Music):
            return "piano-roll statistics need music, such as data=cadences; use metric=none"
        steps = data.sample_shape[1]
        if self.qualified_steps > steps:
            return f"no note of the samples has qualified_steps={self.qualified_steps} steps; at most {steps} can"
        return None

    def set_reference(self, reference: Reference) -> None:
        assert isinstance(reference.data, Music)
        self.music = reference.data
        real = self.rolls(reference.samples(self.num_samples).real)
        self.num_reference = len(real.cells)
        numerator, denominator = statistics_sums(real, self.qualified_steps)
        self.reference = dict(zip(NAMES, (numerator / denominator).tolist(), strict=True))
        self.reference_chords = shares(count_chords(real))

    def real_samples(self, num_generated: int) -> dict[str, int]:
        return {"reference": self.num_reference}

    def update(self, samples: Tensor, condition: Tensor | None) -> None:
        if len(samples):
            rolls = self.rolls(samples)
            self.sums += statistics_sums(rolls, self.qualified_steps)
            self.chord_counts += count_chords(rolls)

    def compute(self) -> dict[str, Tensor]:
        numerator, denominator = self.sums
        if not self.chord_counts.sum():
            raise TooFewSamplesError("piano_roll: at least 1 generated sample is needed, not 0")
        values = dict(zip(NAMES, numerator / denominator, strict=True))  # NaN of rolls in which nothing sounds
        compared = [name for name in COMPARED if not math.isnan(self.reference[name])]
        differences = [(values[name] - self.reference[name]).abs() / max(self.reference[name], SMALLEST) for name in compared]
        reference = self.reference_chords.to(self.chord_counts.device)
        return {
            "difference": torch.stack(differences).amax(),  # NaN if one of them is; `empty_bars` of a reference never is
            **values,
            "chords": (shares(self.chord_counts) - reference).abs().sum() / 2,
        }

    def rolls(self, samples: Tensor) -> Rolls:  # (N, V, T, P)
        """Return the samples as binary rolls."""
        assert self.music is not None
        return Rolls(samples > 0, self.music.lowest, self.music.steps_per_bar, self.music.steps_per_beat)


def statistics_sums(rolls: Rolls, qualified_steps: int) -> Tensor:  # -> (2, names) float64
    """Return the sums whose quotients are the numbers NAMES: what is counted, and of how many."""
    cells = rolls.cells
    used = (rolls.by_class(rolls.steps_per_bar) > 0).sum(3)  # (N, V, bars)
    onset = cells & ~pad(cells[:, :, :-1], (0, 0, 1, 0))
    long_enough = cells[:, :, qualified_steps - 1 :]
    for step in range(qualified_steps - 1):
        long_enough = long_enough & cells[:, :, step : cells.shape[2] - qualified_steps + 1 + step]
    long_notes = onset[:, :, : long_enough.shape[2]] & long_enough
    in_scale = torch.tensor([(rolls.lowest + p) % 12 in SCALE for p in range(cells.shape[3])], device=cells.device)
    distances = tonal_distances(rolls)
    simultaneous = cells.sum(3)
    pairs = (
        ((used == 0).sum(), used.numel()),
        (used.sum(), (used > 0).sum()),
        (long_notes.sum(), onset.sum()),
        (distances.sum(), len(distances)),
        (onset[..., in_scale].sum(), onset.sum()),
        ((simultaneous > 1).sum(), (simultaneous > 0).sum()),
    )
    return torch.tensor(
        [[float(x) for x in column] for column in zip(*pairs, strict=True)], dtype=torch.float64, device=cells.device
    )


def tonal_distances(rolls: Rolls) -> Tensor:  # -> (K,)
    """Return the distances of the tonal centroids of each two voices in each beat in which both sound."""
    chroma = rolls.by_class(rolls.steps_per_beat).double()  # (N, V, beats, 12)
    total = chroma.sum(3)
    centroid = chroma @ tonal_basis().to(chroma.device) / total.clamp(min=1).unsqueeze(3)
    found = []
    for one, other in itertools.combinations(range(chroma.shape[1]), 2):
        both = (total[:, one] > 0) & (total[:, other] > 0)
        found.append((centroid[:, one] - centroid[:, other])[both].norm(dim=1))
    return torch.cat([*found, total.new_zeros(0)])


def tonal_basis() -> Tensor:  # -> (12, 6)
    """Return Φ: the place of each pitch class on the circles of fifths, minor thirds and major thirds."""
    pitch_class = torch.arange(12, dtype=torch.float64)
    circles = ((1.0, 7 / 6), (1.0, 3 / 2), (0.5, 2 / 3))
    columns = [r * f(pitch_class * math.pi * turns) for r, turns in circles for f in (torch.sin, torch.cos)]
    return torch.stack(columns, 1)


def count_chords(rolls: Rolls) -> Tensor:  # -> (NUM_CHORDS,) float64
    """Return in how many beats each set of pitch classes sounds, as the first step of the beat has it; the empty set is one."""
    first = Rolls(rolls.cells[:, :, :: rolls.steps_per_beat], rolls.lowest, 1, 1).by_class(1).sum(1) > 0  # (N, beats, 12)
    chord = (first * 2 ** torch.arange(12, device=first.device)).sum(2)
    return chord.flatten().bincount(minlength=NUM_CHORDS).double()


def shares(counts: Tensor) -> Tensor:  # (K,) -> (K,)
    """Return the counts as shares of their sum."""
    return counts / counts.sum()
