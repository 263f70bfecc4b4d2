"""MusicXML files (.musicxml, .xml, and packed .mxl), read by music21.

Each part is a voice. A pickup bar is filled up with rests at its beginning, so that every bar line is at a multiple of the bar.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from gan_lightning.data.base import DataError
from gan_lightning.data.format.piece import Note, Piece
from gan_lightning.storage.data_file import read_data_file

MAX_BYTES = 4 * 2**20  # of a file, unpacked
MAX_ENTRIES = 100  # of a packed file


def read_musicxml(path: Path) -> Piece:
    """Return the notes of a MusicXML file. Raises DataError for a file that is none, is broken or is too large."""
    try:
        import music21
    except ImportError as error:
        install = 'pip install "gan-lightning[music]"'
        raise DataError(f"data.root: {path} is MusicXML, which music21 reads; install it with {install}") from error
    try:
        content = read_data_file(path, MAX_BYTES)
        text = unpack(content) if content[:2] == b"PK" else content
        score = music21.converter.parseData(text, format="musicxml")
    except OSError as error:
        raise DataError(f"data.root: {path} can't be read ({error.strerror or error}); replace the file") from error
    except DataError as error:
        raise DataError(f"data.root: {path} {error}") from error
    except Exception as error:  # music21 has no common error, and passes on those of its parsers
        reason = str(error).splitlines()[:1] or [type(error).__name__]
        raise DataError(f"data.root: {path} is no complete MusicXML file ({reason[0]}); replace the file") from error
    return to_piece(score)


def unpack(content: bytes) -> bytes:
    """Return the score inside an .mxl file, which is a zip archive. Raises DataError."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        names = [i for i in archive.infolist() if i.filename.endswith((".xml", ".musicxml")) and "META-INF" not in i.filename]
        if len(names) != 1 or len(archive.infolist()) > MAX_ENTRIES:
            raise DataError(f"holds {len(names)} scores in {len(archive.infolist())} entries, not one; replace the file")
        with archive.open(names[0]) as file:
            text = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"is no complete .mxl file ({error}); replace the file") from error
    if len(text) > MAX_BYTES:
        raise DataError(f"is larger than {MAX_BYTES // 2**20} MiB when it is unpacked")
    return text


def to_piece(score: Any) -> Piece:
    """Return the parts of a music21 score as voices; tied notes are one."""
    signatures = (signature for part in score.parts for signature in part.recurse().getElementsByClass("TimeSignature"))
    meters = {signature.ratioString for signature in signatures}
    pickup = min((missing_quarters(part) for part in score.parts), default=0.0)  # of the part with the longest first bar
    voices = [part_notes(part, pickup) for part in score.parts]
    return Piece([sorted(notes) for notes in voices if notes], "" if len(meters) > 1 else next(iter(meters), "4/4"))


def missing_quarters(part: Any) -> float:
    """Return the quarter notes that the first bar of a part lacks: a pickup's, or rests that are not written."""
    first = part.getElementsByClass("Measure").first()
    return 0.0 if first is None else max(float(first.barDuration.quarterLength - first.duration.quarterLength), 0.0)


def part_notes(part: Any, pickup: float) -> list[Note]:
    """Return the notes of a part of a music21 score without grace notes; its first bar begins `pickup` quarter notes later."""
    first, missing = part.getElementsByClass("Measure").first(), missing_quarters(part)
    found = []
    for element in part.stripTies().flatten().notes:
        in_first = first is not None and element.offset < first.duration.quarterLength
        start, length = float(element.offset) + (pickup if in_first else missing), float(element.duration.quarterLength)
        found += [Note(start, start + length, pitch.midi) for pitch in element.pitches if length > 0]
    return found
