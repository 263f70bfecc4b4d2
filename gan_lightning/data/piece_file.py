"""Files of music by their endings; their pieces are kept for the process, as a command builds its data more than once."""

from __future__ import annotations

from pathlib import Path

from gan_lightning.data.base import DataError
from gan_lightning.data.format.piece import Piece
from gan_lightning.data.midi_file import read_midi
from gan_lightning.data.musicxml_file import read_musicxml
from gan_lightning.data.piece_listing import MIDI

MAX_NOTES = 500_000  # of all pieces in memory, some 150 bytes each: 75 MB, or 2,000 chorales


class PieceReader:
    """Read pieces and keep those that are read first, as long as they have at most `max_notes` notes together."""

    def __init__(self, max_notes: int = MAX_NOTES) -> None:
        self.notes_left = max_notes
        self.kept: dict[tuple[Path, int, int], Piece] = {}

    def __call__(self, path: Path) -> Piece:
        """Return the piece of a file, read again if the file has another time or size than before. Raises DataError."""
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"data.root: {path} can't be read ({error.strerror}); replace the file") from error
        key = path, status.st_mtime_ns, status.st_size
        if key in self.kept:
            return self.kept[key]
        piece = read_midi(path) if path.suffix.lower() in MIDI else read_musicxml(path)
        num_notes = sum(map(len, piece.voices))
        if num_notes <= self.notes_left:
            self.notes_left -= num_notes
            self.kept[key] = piece
        return piece


read_piece = PieceReader()
