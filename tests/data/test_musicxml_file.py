"""MusicXML files, written here in their own format: parts, ties and pickup bars, and what is refused by name."""

import io
import zipfile

import pytest

from gan_lightning.data.base import DataError
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.data.musicxml_file import MAX_BYTES, read_musicxml, unpack


def note(step, octave, duration, tie=""):
    tied = f'<tie type="{tie}"/>' if tie else ""
    return f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{duration}</duration>{tied}</note>"


def part(name, *bars):
    head = "<attributes><divisions>2</divisions><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
    measures = [f'<measure number="{i}">{"" if i else head}{"".join(notes)}</measure>' for i, notes in enumerate(bars)]
    return f'<part id="{name}">{"".join(measures)}</part>'


def score(*parts):
    names = [f'<score-part id="P{i}"><part-name>P{i}</part-name></score-part>' for i in range(len(parts))]
    own = [part(f"P{i}", *bars) for i, bars in enumerate(parts)]
    content = f"<part-list>{''.join(names)}</part-list>{''.join(own)}"
    return f'<?xml version="1.0"?><score-partwise version="3.1">{content}</score-partwise>'


# a pickup of one quarter, then a bar whose last note is tied into the next
TEXT = score(
    [[note("G", 4, 2)], [note("C", 5, 4), note("D", 5, 2, "start")], [note("D", 5, 2, "stop"), note("C", 5, 4)]],
    [[note("G", 3, 2)], [note("C", 3, 6)], [note("C", 3, 6)]],
)
PIECE = Piece(
    [[Note(2, 3, 67), Note(3, 5, 72), Note(5, 7, 74), Note(7, 9, 72)], [Note(2, 3, 55), Note(3, 6, 48), Note(6, 9, 48)]], "3/4"
)


def packed(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("META-INF/container.xml", *names):
            archive.writestr(name, TEXT)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "content"), [("a.musicxml", TEXT.encode()), ("a.mxl", packed("score.xml"))])
def test_parts_are_voices_and_a_pickup_bar_is_filled_up(tmp_path, name, content):
    pytest.importorskip("music21")
    (tmp_path / name).write_bytes(content)
    assert read_musicxml(tmp_path / name) == PIECE


def test_a_part_whose_first_bar_is_incomplete_is_not_moved(tmp_path):
    pytest.importorskip("music21")
    text = score([[note("C", 5, 6)], [note("D", 5, 6)]], [[note("C", 3, 4)], [note("D", 3, 6)]])
    (tmp_path / "a.musicxml").write_text(text)
    voices = [[Note(0, 3, 72), Note(3, 6, 74)], [Note(0, 2, 48), Note(3, 6, 50)]]
    assert read_musicxml(tmp_path / "a.musicxml") == Piece(voices, "3/4")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no complete MusicXML file"),
        (TEXT.encode()[:-200], "is no complete MusicXML file"),
        (b"<html><body>404</body></html>", "is no complete MusicXML file"),
        (packed("a.xml", "b.xml"), "holds 2 scores in 3 entries, not one"),
        (packed("score.xml")[:-30], r"is no complete \.mxl file"),
        (bytes(MAX_BYTES + 1), "is larger than 4 MiB"),
    ],
)
def test_a_broken_file_is_refused_by_name_in_one_line(tmp_path, content, said):
    pytest.importorskip("music21")
    path = tmp_path / "broken.mxl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^data\.root: .*broken\.mxl .*({said})") as error:
        read_musicxml(path)
    assert "\n" not in str(error.value)


def test_a_packed_file_that_is_too_large_when_unpacked_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", bytes(MAX_BYTES + 1))
    assert len(buffer.getvalue()) < MAX_BYTES / 100
    with pytest.raises(DataError, match=r"^is larger than 4 MiB when it is unpacked"):
        unpack(buffer.getvalue())
