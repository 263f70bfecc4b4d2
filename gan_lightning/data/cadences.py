"""Scales over cadences: piano rolls by known rules, without a file, so that a metric can tell which samples keep them.

Four voices in two bars, in C major. Three lower voices hold the chords of one of the eight PROGRESSIONS, one for each half bar:
the bass its root, the tenor its fifth and the alto its third, each in an octave of its own. The soprano plays the scale in the
octave above, two notes a beat of 4/4, up or down from one of its seven tones, and turns at the octave's ends: 12 melodies. A
sample is one of 8 · 12 = 96 combinations, all equally likely.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_lightning.data.base import DataError, Splits
from gan_lightning.data.music import Music
from gan_lightning.data.musical_key import SCALE
from gan_lightning.data.stream import RandomSource

VOICES, BARS, HALF_BARS, NOTES, PITCHES = 4, 2, 4, 16, 48
PROGRESSIONS = {  # degrees of the scale from 0
    "I IV V I": (0, 3, 4, 0),
    "I ii V I": (0, 1, 4, 0),
    "I vi V I": (0, 5, 4, 0),
    "vi ii V I": (5, 1, 4, 0),
    "I vi IV I": (0, 5, 3, 0),
    "I IV I V": (0, 3, 0, 4),
    "I vi ii V": (0, 5, 1, 4),
    "I IV V vi": (0, 3, 4, 5),
}
CHORD_TONES = (0, 4, 2)  # degrees above the root: of bass, tenor and alto, from the lowest octave upwards
DEGREES = len(SCALE)
# first tone and direction; from an end of the octave there is only one
MELODIES = [(start, step) for start in range(DEGREES) for step in (1, -1) if 0 <= start + step < DEGREES]


class Cadences(Music):
    """Draw one of all combinations of progression and melody for each sample, without end."""

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)

    def count(self) -> None:
        """Return None: samples are drawn without end. Raises DataError if the config does not match them."""
        self.require_roll_shape()
        expected = (VOICES, BARS * self.steps_per_bar, PITCHES)
        if self.sample_shape != expected or self.steps_per_bar % (NOTES // BARS):
            raise DataError(
                f"data.sample_shape: {list(self.sample_shape)} with data.steps_per_bar={self.steps_per_bar} can't hold the "
                f"cadences; allowed: [{VOICES}, {BARS} · steps_per_bar, {PITCHES}], with 8, 16, 24 … steps"
            )
        if self.lowest % 12 or self.meter != "4/4":
            raise DataError(f"data.lowest and data.meter: {self.lowest} and {self.meter}; allowed: 0, 12, 24 … 72, and 4/4")

    def load(self) -> Splits:
        self.count()
        return Splits(*(CombinedRolls(chord_rolls(self), melody_rolls(self), split_index) for split_index in range(3)))


class CombinedRolls(RandomSource):
    """Draw a roll of chords and one of a melody, uniformly and independently."""

    def __init__(self, chords: Tensor, melodies: Tensor, split_index: int = 0) -> None:  # (8, 3, T, P), (12, 1, T, P)
        """Take the rolls of all progressions and of all melodies."""
        self.chords, self.melodies, self.split_index = chords, melodies, split_index

    def draw(self, n: int, generator: torch.Generator) -> Tensor:  # -> (n, 4, T, P)
        chord, melody = (torch.randint(len(x), (n,), generator=generator) for x in (self.chords, self.melodies))
        return torch.cat([self.melodies[melody], self.chords[chord]], 1)


def chord_rolls(data: Music) -> Tensor:  # -> (8, 3, T, P), −1 or 1
    """Return the alto, the tenor and the bass of each progression."""
    rolls = -torch.ones(len(PROGRESSIONS), 3, BARS * data.steps_per_bar, PITCHES)
    length = data.steps_per_bar // 2
    for i, degrees in enumerate(PROGRESSIONS.values()):
        for slot, degree in enumerate(degrees):
            for octave, above in enumerate(CHORD_TONES):
                pitch = 12 * octave + SCALE[(degree + above) % DEGREES]
                rolls[i, 2 - octave, slot * length : (slot + 1) * length, pitch] = 1
    return rolls


def melody_rolls(data: Music) -> Tensor:  # -> (12, 1, T, P), −1 or 1
    """Return each melody."""
    rolls = -torch.ones(len(MELODIES), 1, BARS * data.steps_per_bar, PITCHES)
    length = BARS * data.steps_per_bar // NOTES
    for i, (degree, direction) in enumerate(MELODIES):
        for note in range(NOTES):
            rolls[i, 0, note * length : (note + 1) * length, 36 + SCALE[degree]] = 1
            direction = -direction if not 0 <= degree + direction < DEGREES else direction
            degree += direction
    return rolls
