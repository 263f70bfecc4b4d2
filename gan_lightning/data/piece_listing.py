"""The MIDI and MusicXML files below a folder, without hidden ones and those of runs, which hold generated pieces."""

from __future__ import annotations

import os
from pathlib import Path

from gan_lightning.data.base import DataError

MIDI, MUSICXML = (".mid", ".midi"), (".musicxml", ".mxl", ".xml")
RUN_FILES = {"config.yaml", "result.json"}
MAX_FILES = 100_000


def list_pieces(root: Path) -> list[Path]:
    """Return the files of pieces below `root`, relative to it and sorted. Raises DataError if there are none, or too many."""
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"data.root: {root.absolute()} {problem}; set data.root to a folder of MIDI or MusicXML files")
    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=_refuse):
        if set(names) >= RUN_FILES:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        own = (name for name in names if not name.startswith(".") and Path(name).suffix.lower() in (*MIDI, *MUSICXML))
        found += [(Path(folder) / name).relative_to(root) for name in own]
        if len(found) > MAX_FILES:
            raise DataError(
                f"data.root: {root.absolute()} holds more than {MAX_FILES:,} pieces; set data.root to a part of them"
            )
    if not found:
        endings = " ".join((*MIDI, *MUSICXML))
        raise DataError(f"data.root: {root.absolute()} holds no pieces ({endings}); set data.root to a folder of such files")
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DataError(f"data.root: {error.filename} can't be read ({error.strerror}); change its permissions") from error
