"""A folder of pieces of music, MIDI or MusicXML, as piano rolls: windows of a few bars, with voices as channels.

A window begins at a bar line, and the next one `hop_bars` bars later. Pieces, not windows, are split into train, validation and
test by their names: neighbouring windows of a piece share their notes.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from gan_lightning.data.base import DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.fingerprint import Fingerprint, file_entries
from gan_lightning.data.format.piece import Piece, bar_quarters, to_roll
from gan_lightning.data.music import Music
from gan_lightning.data.musical_key import find_key
from gan_lightning.data.notices import abbreviate, print_notice
from gan_lightning.data.piece_file import read_piece
from gan_lightning.data.piece_listing import list_pieces
from gan_lightning.data.split import split_by_name
from gan_lightning.data.store import Store
from gan_lightning.step.types import Count, PathText
from gan_lightning.storage.home import expand_home

MAX_BARS = 2000  # of a piece: a MIDI file of a few bytes may promise a note that lasts for a year
MAX_BYTES = 4 * 2**30  # of all windows in memory


class Windows(NamedTuple):
    """Hold the windows of all pieces, and the number of the piece that each is from."""

    rolls: np.ndarray  # (N, *sample_shape) uint8, 0 or 255: a Store scales them to −1 and 1
    piece: np.ndarray  # (N,)


class PianoRoll(Music):
    """Load the pieces below `root` that have `meter`, and a track or part for each voice of `sample_shape`.

    With one voice all tracks of a piece are joined. `transpose` moves each piece to C major or A minor, by `musical_key`. A
    window with a note outside of the pitch range, or with none, is left out. `validation` and `test` are shares of the pieces.
    """

    def __init__(
        self,
        root: PathText,
        hop_bars: Count = 1,
        transpose: bool = True,
        validation: Share = 0.1,
        test: Share = 0.1,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.root, self.hop_bars, self.transpose = expand_home(root), hop_bars, transpose
        self.validation, self.test = validation, test
        self._windows: Windows | None = None

    def count(self) -> SplitSizes:
        return SplitSizes(*map(len, self.split()))

    def load(self) -> Splits:
        rolls = self.windows().rolls
        return Splits(*(Store(rolls, None, index) for index in self.split()))

    def fingerprint(self) -> Fingerprint:
        names = [file.as_posix() for file in list_pieces(self.root)]
        entries = file_entries([os.path.join(self.root, name) for name in names], names, [None] * len(names))  # noqa: PTH118
        return Fingerprint(kind=type(self).__name__, counts={"pieces": len(names)}, classes=[], entries=entries, probes={})

    def split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # (n,) each
        """Return the sorted indices of the windows in train, validation and test. Raises DataError."""
        piece = self.windows().piece
        names = [file.as_posix() for file in list_pieces(self.root)]
        train, validation, test = (
            np.flatnonzero(np.isin(piece, own)) for own in split_by_name(names, self.validation, self.test)
        )
        return train, validation, test

    def windows(self) -> Windows:
        """Return the windows of all pieces, read at the first call, and name on stderr which pieces are left out.

        Raises DataError for a file that can't be read, or if nothing is left.
        """
        if self._windows is None:
            self.require_roll_shape()
            require_training_share(self.validation, self.test)
            self._windows = self.read_windows()
        return self._windows

    def read_windows(self) -> Windows:
        """Read all files and cut them into windows. Raises DataError."""
        files, left_out = list_pieces(self.root), defaultdict(list)
        rolls: list[np.ndarray] = []
        numbers: list[int] = []
        for number, file in enumerate(files):
            piece = read_piece(self.root / file)
            if why := self.unfit(piece):
                left_out[why].append(str(file))
                continue
            found = self.cut(piece)
            rolls += found
            numbers += [number] * len(found)
            if len(rolls) * np.prod(self.sample_shape) > MAX_BYTES:
                raise DataError(f"data.root: the windows need more than {MAX_BYTES >> 30} GiB; set a larger data.hop_bars")
        for why, names in left_out.items():
            print_notice(f"data.root: {len(names):,} of {len(files):,} pieces are left out: {why} ({abbreviate(names)})")
        if not rolls:
            raise DataError(f"data.root: no piece in {self.root.absolute()} fits data.sample_shape={list(self.sample_shape)}")
        return Windows(np.stack(rolls), np.array(numbers))

    def unfit(self, piece: Piece) -> str | None:
        """Return why a piece is left out; None if it is used."""
        voices = self.sample_shape[0]
        if piece.meter != self.meter:
            return f"their meter is not data.meter={self.meter}"
        if (len(piece.voices) != voices and voices > 1) or not piece.voices:
            return f"they have another number of voices than {voices}"
        fits = self.bars - 1 < piece.end / bar_quarters(self.meter) <= MAX_BARS
        return None if fits else f"they are shorter than {self.bars} bars, or longer than {MAX_BARS}"

    def cut(self, piece: Piece) -> list[np.ndarray]:  # -> (*sample_shape) uint8 each
        """Return the windows of a piece that fit in the range of pitches; the last bar is filled up with rests."""
        bars = int(np.ceil(round(piece.end / bar_quarters(self.meter), 6)))
        steps, (_, length, pitches) = self.steps_per_bar, self.sample_shape
        voices = [list(itertools.chain(*piece.voices))] if self.sample_shape[0] == 1 else piece.voices
        roll = to_roll(voices, bars * steps, self.steps_per_quarter)
        if self.transpose:
            roll = transposed(roll)
        starts = range(0, bars * steps - length + 1, self.hop_bars * steps)
        windows = (roll[:, start : start + length] for start in starts)
        fits = slice(self.lowest, self.lowest + pitches)
        return [w[:, :, fits].astype(np.uint8) * 255 for w in windows if w.any() and w.sum() == w[:, :, fits].sum()]


def transposed(roll: np.ndarray) -> np.ndarray:  # (V, T, 128) -> (V, T, 128)
    """Return the roll in C major or A minor; what leaves the 128 pitches, which nobody can hear, is lost."""
    durations = np.bincount(np.arange(128) % 12, roll.sum((0, 1)), 12)
    shift = find_key(durations).shift
    moved = np.zeros_like(roll)
    low, high = max(shift, 0), 128 + min(shift, 0)
    moved[:, :, low:high] = roll[:, :, low - shift : high - shift]
    return moved
