"""The sound files below a folder, and the class of each: the subfolder of the root that it lies in.

Hidden files and the folders of runs and sweeps, which hold generated sounds, are skipped. Links to files are followed, links to
folders are not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from gan_lightning.data.base import DataError
from gan_lightning.data.image_listing import OWN_FILES
from gan_lightning.data.notices import abbreviate

SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".aif", ".aiff"))
MAX_FILES = 1_000_000
NO_CLASS = ""  # no folder has this name


class SoundListing(NamedTuple):
    """Hold the names of M sound files below a folder, sorted, and their labels."""

    files: list[Path]  # relative to the root
    labels: np.ndarray | None  # (M,) int64; None: unlabelled
    classes: list[str]  # the names of labels 0, 1, …; empty: unlabelled


def list_sounds(root: Path, num_classes: int) -> SoundListing:
    """Return the sound files at any depth below `root`. Raises DataError if there are none, or other classes than asked for."""
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"data.root: {root.absolute()} {problem}; set data.root to a folder of sounds")
    files = find_sounds(root)
    if not files:
        raise DataError(
            f"data.root: {root.absolute()} holds no sounds ({' '.join(sorted(SUFFIXES))}), nor do its subfolders; "
            "set data.root to a folder of sounds"
        )
    if not num_classes:
        return SoundListing(files, None, [])
    names = [normalize("NFC", file.parts[0]) if len(file.parts) > 1 else NO_CLASS for file in files]
    classes = sorted(set(names) - {NO_CLASS})
    if len(classes) != num_classes:
        raise DataError(
            f"data.num_classes: {num_classes}, but {len(classes)} subfolders of {root.absolute()} hold sounds"
            f"{': ' + abbreviate(classes) if classes else ''}; set data.num_classes={len(classes)}"
            f"{', or 0 to take all sounds unlabelled' if classes else ' to take the sounds unlabelled'}"
        )
    if loose := [str(file) for file, name in zip(files, names, strict=True) if name == NO_CLASS]:
        raise DataError(
            f"data.root: {len(loose)} sounds lie in {root.absolute()} itself and so in no class: {abbreviate(loose)}; "
            "move them into the folder of a class, or set data.num_classes=0 to take all sounds unlabelled"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    return SoundListing(files, np.array([numbers[name] for name in names], dtype=np.int64), classes)


def find_sounds(root: Path) -> list[Path]:
    """Return the sound files below `root`, relative to it and sorted. Raises DataError for a folder that can't be read."""
    found: list[Path] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as iterator:
                entries = [entry for entry in iterator if not entry.name.startswith(".")]
        except OSError as error:
            raise DataError(f"data.root: {folder} can't be read ({error.strerror}); change its permissions") from error
        names = {entry.name for entry in entries}
        if any(names >= own for own in OWN_FILES):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                found.append(Path(entry.path).relative_to(root))
        if len(found) > MAX_FILES:
            raise DataError(f"data.root: {root.absolute()} holds more than {MAX_FILES:,} sounds; choose a smaller folder")
    return sorted(found)
