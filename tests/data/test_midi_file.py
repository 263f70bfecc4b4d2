"""MIDI files: what is read, what is refused by name, and what another library reads in those that are written."""

import io
import random
import struct

import mido
import pytest

from gan_lightning.data.base import DataError
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.data.midi_file import MAX_BYTES, read_midi

PIECE = Piece([[Note(0, 1, 60), Note(1, 1.5, 62)], [Note(0.25, 2, 36)]], "3/4")


def write(path, tracks, kind=1, ticks=480):
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks += [mido.MidiTrack(track) for track in tracks]
    file.save(path)
    return path


def on(note, time=0, channel=0, velocity=64):
    return mido.Message("note_on", note=note, time=time, channel=channel, velocity=velocity)


def test_a_piece_is_written_and_read_back(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(encode_midi(PIECE, "mine"))
    assert read_midi(path) == PIECE
    assert [m.text for m in mido.MidiFile(path).tracks[0] if m.type == "text"] == ["mine"]


def test_another_library_reads_a_written_file(tmp_path):
    music21 = pytest.importorskip("music21")
    path = tmp_path / "a.mid"
    path.write_bytes(encode_midi(PIECE))
    score = music21.converter.parse(path)
    found = [[(float(n.offset), n.pitch.midi) for n in part.stripTies().flatten().notes] for part in score.parts]
    assert found == [[(0, 60), (1, 62)], [(0.25, 36)]]


def test_of_one_track_each_channel_is_a_voice_and_percussion_none(tmp_path):
    track = [on(60), on(48, channel=1), on(35, channel=9), on(60, 480, velocity=0), on(48, 480, 1, velocity=0), on(35, 1, 9, 0)]
    assert read_midi(write(tmp_path / "a.mid", [track], kind=0)).voices == [[Note(0, 1, 60)], [Note(0, 2, 48)]]


def test_a_second_note_on_ends_the_first_and_a_note_without_an_end_is_left_out(tmp_path):
    track = [on(60), on(60, 480), on(60, 480, velocity=0), on(72)]
    assert read_midi(write(tmp_path / "a.mid", [track])).voices == [[Note(0, 1, 60), Note(1, 2, 60)]]


def test_a_changing_meter_is_none(tmp_path):
    meters = [mido.MetaMessage("time_signature", numerator=n, denominator=4) for n in (3, 4)]
    assert read_midi(write(tmp_path / "a.mid", [[*meters, on(60), on(60, 1, velocity=0)]])).meter == ""
    assert read_midi(write(tmp_path / "b.mid", [[on(60), on(60, 1, velocity=0)]])).meter == "4/4"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no complete MIDI file"),
        (b"RIFF" + bytes(50), "can't be read as MIDI|is no complete MIDI file"),
        (encode_midi(PIECE)[:-9], "is no complete MIDI file"),
        (b"MThd" + struct.pack(">IHHH", 6, 1, 1, 480) + b"MTrk" + struct.pack(">I", 4) + b"\x00\xff\x51\x7f", "is no complete"),
        (
            b"MThd" + struct.pack(">IHHH", 6, 1, 1, 0xE728) + b"MTrk" + struct.pack(">I", 4) + b"\x00\xff\x2f\x00",
            "times in frames",
        ),
        (b"MThd" + struct.pack(">IHHH", 6, 1, 1, 0) + b"MTrk" + struct.pack(">I", 4) + b"\x00\xff\x2f\x00", "times in frames"),
        (b"MThd" + struct.pack(">IHHH", 6, 2, 1, 480) + b"MTrk" + struct.pack(">I", 4) + b"\x00\xff\x2f\x00", "format 2"),
        (
            b"MThd" + struct.pack(">IHHH", 6, 1, 1, 480) + b"MTrk" + struct.pack(">I", 6) + b"\x00\xff\x59\x02\x70\x00",
            "is no complete MIDI file .*key",
        ),
        (bytes(MAX_BYTES + 1), "is larger than 1 MiB"),
    ],
)
def test_a_broken_file_is_refused_by_name_in_one_line(tmp_path, content, said):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^data\.root: .*broken\.mid .*({said})") as error:
        read_midi(path)
    assert "\n" not in str(error.value)


def test_a_link_is_refused(tmp_path):
    (tmp_path / "link.mid").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"link\.mid can't be read as MIDI \(is a link"):
        read_midi(tmp_path / "link.mid")


def test_changed_bytes_are_read_or_refused_but_nothing_else(tmp_path):
    source, whole, path = random.Random(0), encode_midi(PIECE), tmp_path / "fuzz.mid"
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            content[source.randrange(len(content))] = source.randrange(256)
        path.write_bytes(content)
        try:
            read_midi(path)
        except DataError:
            refused += 1
    assert 0 < refused < 300


def test_the_encoding_is_a_file_of_format_1():
    file = mido.MidiFile(file=io.BytesIO(encode_midi(PIECE)))
    assert (file.type, len(file.tracks)) == (1, 3)
