"""Tones of known pitch, made by code: a decaying sum of harmonics, with nothing to download.

x(t) = a · min(t / attack, 1) · exp(−t / d) · Σₕ h^(−r) sin(2π h f t) / Σₕ h^(−r),  h = 1 … H,  h f < rate / 2

The pitch f is one of PITCHES, and is the class of the tone. The loudness a, the decay time d in seconds and the roll-off r of
the harmonics are drawn for each tone. Since r is at least 1, the fundamental is the strongest harmonic. The pitches are a
pentatonic scale in equal temperament over two octaves, whose neighbours are two or three semitones apart: more than half of an
octave lies farther than 50 cents from every pitch.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from gan_lightning.data.base import Data, DataError, Seed, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.format.base import SampleFormat
from gan_lightning.data.format.sound import SoundFormat
from gan_lightning.data.store import Store, split_indices

MIDI_KEYS = (60, 62, 64, 67, 69, 72, 74, 76, 79, 81)  # C4 D4 E4 G4 A4, C5 D5 E5 G5 A5
PITCHES = tuple(440 * 2 ** ((key - 69) / 12) for key in MIDI_KEYS)  # in Hz: A4 has 440
LOUDNESS, DECAY, ROLL_OFF = (0.5, 0.95), (0.1, 0.4), (1.0, 3.0)  # the ranges of a, d and r, drawn uniformly
ATTACK = 0.005  # seconds
MAX_HARMONICS = 8
SHORTEST = 0.1  # seconds
NumTones = Annotated[int, Field(ge=1, le=1_000_000)]
SampleRate = Annotated[int, Field(ge=1000, le=192_000)]


class Tones(Data):
    """Make `count` tones at `sample_rate` in Hz; `tone_seed` chooses them, `seed` only orders them.

    With `num_classes` 0 their pitches are hidden. `validation` and `test` are exact shares.
    """

    pitches = PITCHES

    def __init__(
        self,
        sample_rate: SampleRate = 4000,
        count: NumTones = 10_000,
        tone_seed: Seed = 0,
        validation: Share = 0.1,
        test: Share = 0.1,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.sample_rate, self.num_tones, self.tone_seed = sample_rate, count, tone_seed
        self.validation, self.test = validation, test

    @property
    def sample_format(self) -> SampleFormat:
        return SoundFormat(self.sample_rate)

    def count(self) -> SplitSizes:
        shape, shortest = self.sample_shape, round(SHORTEST * self.sample_rate)
        if len(shape) != 2 or shape[0] != 1 or shape[1] < shortest:
            raise DataError(
                f"data.sample_shape: {list(shape)} is no shape of tones; allowed: [1,T] with T at least {shortest}, "
                f"{SHORTEST} seconds at data.sample_rate={self.sample_rate}"
            )
        if self.sample_rate / 2 <= max(PITCHES):
            raise DataError(
                f"data.sample_rate: {self.sample_rate} Hz can't hold the highest pitch, {max(PITCHES):.0f} Hz; "
                f"allowed: more than twice of it, such as 4000"
            )
        if self.num_classes not in (0, len(PITCHES)):
            raise DataError(f"data.num_classes: the tones have {len(PITCHES)} pitches, not {self.num_classes}; 0 hides them")
        require_training_share(self.validation, self.test)
        return SplitSizes(*map(len, self.split()))

    def split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted indices of train, validation and test."""
        return split_indices(self.num_tones, self.validation, self.test)

    def load(self) -> Splits:
        self.count()
        samples, pitch = draw_tones(self.num_tones, self.sample_shape[1], self.sample_rate, self.tone_seed)
        return Splits(*(Store(samples, pitch if self.num_classes else None, index) for index in self.split()))


def draw_tones(n: int, length: int, sample_rate: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n tones (n, 1, length) float32 in [-1, 1], and the index of each one's pitch (n,) int64."""
    random = np.random.default_rng(seed)
    pitch = random.integers(len(PITCHES), size=n)
    loudness, decay, roll_off = (random.uniform(*range_, size=n) for range_ in (LOUDNESS, DECAY, ROLL_OFF))
    samples = np.empty((n, 1, length), np.float32)
    for i in range(n):
        samples[i, 0] = tone(PITCHES[pitch[i]], length, sample_rate, loudness[i], decay[i], roll_off[i])
    return samples, pitch


def tone(
    frequency: float, length: int, sample_rate: int, loudness: float, decay: float, roll_off: float
) -> np.ndarray:  # -> (length,)
    """Return one tone: `frequency` in Hz, `decay` in seconds."""
    seconds = np.arange(length) / sample_rate
    harmonics = np.arange(1, MAX_HARMONICS + 1)
    harmonics = harmonics[harmonics * frequency < sample_rate / 2]
    weight = harmonics**-roll_off
    wave = weight / weight.sum() @ np.sin(2 * np.pi * frequency * harmonics[:, None] * seconds)
    return loudness * np.minimum(seconds / ATTACK, 1) * np.exp(-seconds / decay) * wave
