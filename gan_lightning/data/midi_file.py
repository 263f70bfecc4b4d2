"""Standard MIDI files (.mid), read by mido.

Each track with notes is a voice, in the order of the file; of a file with one track (format 0) each channel is one. Percussion
(channel 10) is left out. Times are in quarter notes, so that the tempo plays no part.
"""

from __future__ import annotations

import io
import itertools
from collections import defaultdict
from pathlib import Path

import mido

from gan_lightning.data.base import DataError
from gan_lightning.data.format.midi import PERCUSSION
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.storage.data_file import read_data_file

MAX_BYTES = 2**20  # of a file; a long symphony has some 500 kB, and a message takes 100 times its bytes in memory


def read_midi(path: Path) -> Piece:
    """Return the notes of a MIDI file. Raises DataError for a file that is none, is broken or is too large."""
    try:
        content = read_data_file(path, MAX_BYTES)
        file = mido.MidiFile(file=io.BytesIO(content))
    except OSError as error:
        raise DataError(f"data.root: {path} can't be read as MIDI ({error.strerror or error}); replace the file") from error
    except Exception as error:  # mido has errors of its own, and passes on those of its parsers
        reason = str(error).splitlines()[:1] or [type(error).__name__]
        raise DataError(f"data.root: {path} is no complete MIDI file ({reason[0]}); replace the file") from error
    if file.ticks_per_beat <= 0 or file.ticks_per_beat >= 0x8000 or file.type == 2:
        kind = "independent sequences (format 2)" if file.type == 2 else "times in frames, not in beats"
        raise DataError(f"data.root: {path} is a MIDI file with {kind}; export it with one time line in beats")
    meters, voices = set(), []
    for track in file.tracks:
        by_channel, track_meters = read_track(track, file.ticks_per_beat)
        meters |= track_meters
        channels = [notes for _, notes in sorted(by_channel.items())]
        voices += channels if file.type == 0 else [list(itertools.chain(*channels))]
    return Piece([sorted(notes) for notes in voices if notes], "" if len(meters) > 1 else next(iter(meters), "4/4"))


def read_track(track: mido.MidiTrack, ticks_per_beat: int) -> tuple[dict[int, list[Note]], set[str]]:
    """Return the notes of each channel of a track, and its meters; a note that never ends is left out."""
    notes: dict[int, list[Note]] = defaultdict(list)
    sounding: dict[tuple[int, int], int] = {}  # (channel, pitch) → the tick at which it began
    meters, tick = set(), 0
    for message in track:
        tick += message.time
        if message.type == "time_signature":
            meters.add(f"{message.numerator}/{message.denominator}")
        if message.type not in ("note_on", "note_off") or message.channel == PERCUSSION:
            continue
        key = message.channel, message.note
        start = sounding.pop(key, None)  # a second note_on of the same pitch ends the first
        if start is not None and tick > start:
            notes[message.channel].append(Note(start / ticks_per_beat, tick / ticks_per_beat, message.note))
        if message.type == "note_on" and message.velocity > 0:
            sounding[key] = tick
    return notes, meters
