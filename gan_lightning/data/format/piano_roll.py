"""Piano rolls (V, T, P): a picture with one colour for each voice, MIDI files, and a synthesised sound."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat, Sound
from gan_lightning.data.format.midi import BEATS_PER_MINUTE, encode_midi
from gan_lightning.data.format.piece import Note, Piece, bar_quarters, to_notes

# of voices 1, 2, …: soprano, alto, tenor and bass of a chorale
COLOURS = np.array([[255, 110, 90], [255, 205, 70], [90, 210, 120], [100, 150, 255], [210, 130, 255], [80, 220, 220]])
PAPER, BAR_LINE, OCTAVE_LINE, GAP = 24, 90, 52, 70  # grey values
CELL_HEIGHT, CELL_WIDTH = 2, 4  # pixels of a pitch and of a step
GAP_WIDTH = 6  # pixels between samples
RATE = 16000  # values of sound per second
NUM_HEARD = 4  # samples of the sound
DECAY = 1.5  # seconds in which a tone falls to 1/e
HARMONICS = (1.0, 0.5, 0.25, 0.12)  # amplitudes


class PianoRolls(SampleFormat):
    """Show, write and play piano rolls; the arguments are those of `data.music`."""

    suffix: ClassVar[str] = ".mid"
    collections: ClassVar[tuple[str, ...]] = (".mid",)
    companion: ClassVar[str] = ".mid"
    num_shown: ClassVar[int | None] = 40
    interpolates: ClassVar[bool] = True

    def __init__(self, lowest: int, steps_per_bar: int, meter: str) -> None:
        self.lowest, self.steps_per_bar, self.meter = lowest, steps_per_bar, meter

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        pictures = [self.picture(roll) for roll in sounding(samples)]
        blank = np.full_like(pictures[0], GAP)
        pictures += [blank] * (-len(pictures) % columns)
        rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
        return np.pad(np.concatenate(rows), ((GAP_WIDTH, 0), (GAP_WIDTH, 0), (0, 0)), constant_values=GAP)

    def picture(self, roll: np.ndarray) -> np.ndarray:  # (V, T, P) bool -> (height, width, 3) uint8
        """Return one roll with time to the right and pitch upwards, and a gap to the right and below."""
        voices, steps, pitches = roll.shape
        picture = np.full((steps, pitches, 3), PAPER)
        picture[:, (np.arange(pitches) + self.lowest) % 12 == 0] = OCTAVE_LINE
        for voice in reversed(range(voices)):  # the first voice lies on top
            picture[roll[voice]] = COLOURS[voice % len(COLOURS)]
        cells = picture.transpose(1, 0, 2)[::-1].repeat(CELL_HEIGHT, 0).repeat(CELL_WIDTH, 1)
        lines = np.arange(0, steps, self.steps_per_bar) * CELL_WIDTH
        quiet = (cells[:, lines] <= OCTAVE_LINE).all(2, keepdims=True)
        cells[:, lines] = np.where(quiet, BAR_LINE, cells[:, lines])
        return np.pad(cells, ((0, GAP_WIDTH), (0, GAP_WIDTH), (0, 0)), constant_values=GAP).astype(np.uint8)

    def encode_sample(self, sample: Tensor, software: str) -> bytes:
        return self.encode_samples(sample.unsqueeze(0), self.suffix, software)

    def encode_samples(self, samples: Tensor, ending: str, software: str = "") -> bytes:
        """Return a MIDI file in which the samples follow each other, each with one bar of silence after it."""
        voices = self.joined(sounding(samples))
        return encode_midi(Piece(voices, self.meter), software)

    def joined(self, rolls: np.ndarray) -> list[list[Note]]:  # (N, V, T, P) bool -> V voices
        """Return the notes of rolls one after another, with one bar of silence after each."""
        n, voices, _, pitches = rolls.shape
        silent = np.zeros((n, voices, self.steps_per_bar, pitches), dtype=bool)
        line = np.concatenate([rolls, silent], 2).transpose(1, 0, 2, 3).reshape(voices, -1, pitches)
        return to_notes(line, self.lowest, self.steps_per_bar / bar_quarters(self.meter))

    def sound(self, samples: Tensor) -> Sound | None:
        rolls = sounding(samples[:NUM_HEARD])
        num_bars = len(rolls) * (rolls.shape[2] // self.steps_per_bar + 1)
        seconds_per_quarter = 60 / BEATS_PER_MINUTE
        wave = np.zeros(round(num_bars * bar_quarters(self.meter) * seconds_per_quarter * RATE), dtype=np.float32)
        for note in (note for voice in self.joined(rolls) for note in voice):
            start = round(note.start * seconds_per_quarter * RATE)
            part = wave[start : start + round((note.end - note.start) * seconds_per_quarter * RATE)]
            part += tone(note.pitch, len(part))
        return Sound(wave / max(float(np.abs(wave).max()), 1e-9) * np.float32(0.9), RATE)


def tone(pitch: int, length: int) -> np.ndarray:  # -> (length,) float32
    """Return a decaying tone of a MIDI pitch (69: 440 Hz), with short ramps at both ends against clicks."""
    time = np.arange(length) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave = sum(a * np.sin(2 * np.pi * k * frequency * time) for k, a in enumerate(HARMONICS, 1) if k * frequency < RATE / 2)
    ramp = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.01 * RATE))
    return (wave * np.exp(-time / DECAY) * ramp).astype(np.float32)


def sounding(samples: Tensor) -> np.ndarray:  # (N, V, T, P) -> (N, V, T, P) bool
    """Return which cells sound: those above 0."""
    return (samples.detach().float() > 0).cpu().numpy()
