"""Standard MIDI files (.mid), written by mido: a track and a channel for each voice."""

from __future__ import annotations

import io

import mido

from gan_lightning.data.format.piece import Note, Piece

PERCUSSION = 9  # the channel of drums, from 0
TICKS = 480  # of a quarter note
BEATS_PER_MINUTE = 90
PROGRAM = 52  # of General MIDI, from 0: choir
VELOCITY = 80


def encode_midi(piece: Piece, software: str = "") -> bytes:
    """Return the content of a MIDI file: one track with meter and tempo, then a track and a channel for each voice.

    The `software` is named in a text event.
    """
    beats, unit = map(int, piece.meter.split("/"))
    head = [
        mido.MetaMessage("time_signature", numerator=beats, denominator=unit),
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BEATS_PER_MINUTE)),
    ]
    head += [mido.MetaMessage("text", text=software)] if software else []
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    file.tracks.append(mido.MidiTrack([*head, mido.MetaMessage("end_of_track")]))
    channels = [channel for channel in range(16) if channel != PERCUSSION]
    for voice, notes in enumerate(piece.voices):
        file.tracks.append(voice_track(notes, voice, channels[voice % len(channels)]))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def voice_track(notes: list[Note], voice: int, channel: int) -> mido.MidiTrack:
    """Return the track of one voice."""
    events = []  # (tick, 0: off and 1: on, pitch); notes end before others begin
    for note in notes:
        events += [(round(note.start * TICKS), 1, note.pitch), (round(note.end * TICKS), 0, note.pitch)]
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=f"voice {voice + 1}")])
    track.append(mido.Message("program_change", channel=channel, program=PROGRAM))
    now = 0
    for tick, begins, pitch in sorted(events):
        kind, velocity = ("note_on", VELOCITY) if begins else ("note_off", 0)
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track
