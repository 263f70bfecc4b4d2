"""A piece of music as notes in voices, and as a piano roll: which pitch sounds in which voice at which step.

roll[v, t, p] = 1 while a note of voice v and pitch p sounds, else 0. One step is 1 / steps_per_bar of a bar. A repeated note
and a held one look the same in a roll, so rolls turn back into notes that are as long as possible.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Note(NamedTuple):
    """Hold a note's time in quarter notes from the beginning of the first bar, and its MIDI pitch (60: middle C)."""

    start: float
    end: float
    pitch: int


class Piece(NamedTuple):
    """Hold the notes of each voice and the meter of a piece that begins with a whole bar."""

    voices: list[list[Note]]
    meter: str  # such as "4/4"; the empty text: it changes

    @property
    def end(self) -> float:
        """Return the end of the last note in quarter notes; 0 without notes."""
        return max((note.end for voice in self.voices for note in voice), default=0.0)


def bar_quarters(meter: str) -> float:
    """Return the length in quarter notes of a bar of this meter, such as 3 for "3/4" and "6/8"."""
    beats, unit = meter.split("/")
    return int(beats) * 4 / int(unit)


def to_roll(voices: list[list[Note]], num_steps: int, steps_per_quarter: float) -> np.ndarray:  # -> (V, num_steps, 128) bool
    """Return the roll over all 128 MIDI pitches; times are rounded to steps, and a note has at least one step."""
    roll = np.zeros((len(voices), num_steps, 128), dtype=bool)
    for voice, notes in enumerate(voices):
        for note in notes:
            start = round(note.start * steps_per_quarter)
            roll[voice, start : max(round(note.end * steps_per_quarter), start + 1), note.pitch] = True
    return roll


def to_notes(roll: np.ndarray, lowest: int, steps_per_quarter: float) -> list[list[Note]]:  # (V, T, P) bool -> V voices
    """Return the notes of each voice by time: each run of steps at one pitch is a note. Pitch index 0 is the pitch `lowest`."""
    voices = []
    for voice in roll:
        edges = np.diff(np.pad(voice.astype(np.int8), ((1, 1), (0, 0))), axis=0)  # (T + 1, P)
        pitch, start = np.nonzero(edges.T == 1)
        _, end = np.nonzero(edges.T == -1)  # both are ordered by pitch, then by time, so that they belong together
        runs = zip(start / steps_per_quarter, end / steps_per_quarter, pitch + lowest, strict=True)
        voices.append(sorted(Note(float(a), float(b), int(p)) for a, b, p in runs))
    return voices
