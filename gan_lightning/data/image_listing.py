"""The images below a folder, and the files that look like images but are left out.

Hidden files are skipped and links are followed. The folder of a run or a sweep holds generated images: none of it is data.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from gan_lightning.data.base import DataError
from gan_lightning.data.image_formats import begins_like_an_image, has_known_suffix, is_read, is_unread_image
from gan_lightning.data.notices import abbreviate

MAX_SNIFFED = 1000  # files with no known suffix whose first bytes are read
MAX_LINES = 20  # of one error
OWN_FILES = ({"config.yaml", "result.json"}, {"sweep.json"}, {"fingerprint.json", "samples.npy"})  # of a run, a sweep, a cache
OWN_FOLDERS = ("samples", "replay", "checkpoints", "report")  # what a run writes below its folder


class ImageListing:
    """List the images below `root`, relative to it and sorted.

    files    the images
    unread   files of formats that are not read, or images by their first bytes without a suffix that says so
    in_runs  images in the folders of runs and sweeps
    runs     these folders; of a `root` that is itself one (`.`), only what the run wrote into OWN_FOLDERS is left out

    Raises one DataError for all folders that can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[Path] = []
        self.unread: list[Path] = []
        self.in_runs: list[Path] = []
        self.runs: list[Path] = []
        self.sniffed = 0
        self._unreadable: list[str] = []
        self._visit(root, frozenset(), self.files)
        for names in (self.files, self.unread, self.in_runs, self.runs):
            names.sort()
        if lines := self._unreadable:
            more = [f"data.root: and {len(lines) - MAX_LINES:,} more folders can't be read"] if len(lines) > MAX_LINES else []
            raise DataError(*lines[:MAX_LINES], *more)

    def left_out(self) -> str | None:
        """Return one line that counts and names what was left out; None: nothing was."""
        parts = []
        if self.unread:
            kinds = Counter(file.suffix.lower() or "without a suffix" for file in self.unread)
            counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
            parts.append(f"{counts} (not read; convert or rename them: {abbreviate([str(file) for file in self.unread])})")
        if self.in_runs:
            folders = abbreviate([str(folder) for folder in self.runs])
            parts.append(f"{len(self.in_runs):,} in the folders of runs and sweeps ({folders})")
        if not parts:
            return None
        total = len(self.unread) + len(self.in_runs)
        at_least = "at least " if self.sniffed >= MAX_SNIFFED else ""
        return (
            f"data.root: {at_least}{total:,} files in {self.root.absolute()} that look like images are left out, "
            f"{len(self.files):,} are used: {'; '.join(parts)}"
        )

    def _visit(self, folder: Path, ancestors: frozenset[tuple[int, int]], into: list[Path]) -> None:
        """Append the images below `folder` to `into`."""
        try:
            status = folder.stat()
            with os.scandir(folder) as iterator:
                entries = [entry for entry in iterator if not entry.name.startswith(".")]
        except OSError as error:
            self._unreadable.append(f"data.root: {folder} can't be read ({error.strerror}); change its permissions")
            return
        identity = (status.st_dev, status.st_ino)
        if identity in ancestors:  # a circular link
            return
        names = {entry.name for entry in entries}
        own = into is self.files and any(files <= names for files in OWN_FILES)
        if own and folder != self.root:
            into = self.in_runs
        before = len(self.in_runs)
        for entry in entries:
            if Path(entry.path).is_dir():  # not entry.is_dir(): it raises for a link to itself
                below = self.in_runs if own and entry.name in OWN_FOLDERS else into
                self._visit(folder / entry.name, ancestors | {identity}, below)
            else:
                self._sort_in(folder / entry.name, into)
        if own and len(self.in_runs) > before:
            self.runs.append(folder.relative_to(self.root))

    def _sort_in(self, path: Path, into: list[Path]) -> None:
        if is_read(path.name):
            into.append(path.relative_to(self.root))
        elif into is self.files and self._looks_like_an_image(path):
            self.unread.append(path.relative_to(self.root))

    def _looks_like_an_image(self, path: Path) -> bool:
        if is_unread_image(path.name):
            return True
        if self.sniffed >= MAX_SNIFFED or has_known_suffix(path.name):
            return False
        self.sniffed += 1
        return begins_like_an_image(path)
