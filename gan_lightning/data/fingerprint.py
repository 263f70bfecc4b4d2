"""The fingerprint of a data set: what it consists of, so that a run that goes on notices a changed one.

It holds names, sizes, classes and, where that is cheap, hashes of contents. Times of change are left out: a copy of the folder
on another machine is the same set.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from gan_lightning.storage.printable import printable

HASHED_BYTES = 64 * 2**20  # contents are hashed in a set of at most so many bytes …
HASHED_FILES = 10_000  # … in at most so many files: opening a file takes longer than reading a small one
MAX_NAMES = 3  # of files or classes in one line
NO_SIZE = -1  # of a file that is not there


class Entry(NamedTuple):
    """Describe one file of a data set."""

    size: int  # in bytes
    label: int | None  # None: unlabelled
    content: str | None  # a hash; None: not read


class Fingerprint(BaseModel):
    """Describe a data set by its files, its classes, and probes of what has no file of its own."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: str  # the class of the data
    counts: dict[str, int]  # what is counted → how many
    classes: list[str]  # the names of labels 0, 1, …; empty: unlabelled, or without names
    entries: dict[str, Entry]  # name → file
    probes: dict[str, str]  # item, or labels → a hash

    def differences(self, now: Fingerprint) -> list[str]:
        """Return a line per kind of change from this fingerprint to `now`; empty for the same set."""
        if self.kind != now.kind:
            return [f"data: {self.kind} → {now.kind}"]
        added, removed = now.entries.keys() - self.entries.keys(), self.entries.keys() - now.entries.keys()
        shared = sorted(self.entries.keys() & now.entries.keys())
        rewritten = [name for name in shared if is_rewritten(self.entries[name], now.entries[name])]
        relabelled = [name for name in shared if self.class_of(name) != now.class_of(name)]
        lines = [
            *renumbered(self.classes, now.classes),
            *files("added", added),
            *files("removed", removed),
            *files("with another size or content", rewritten),
            *files("in another class", [f"{name} ({self.class_of(name)} → {now.class_of(name)})" for name in relabelled]),
        ]
        if added or removed:  # the counts and the positions of the probes differ for this reason
            return lines
        counted = [
            f"{n:,} → {now.counts.get(what, 0):,} {what}" for what, n in self.counts.items() if n != now.counts.get(what)
        ]
        return lines + (counted or reread(self.probes, now.probes))

    def class_of(self, name: str) -> str | None:
        """Return the name of a file's class, or its label if the classes have no names; None if it is unlabelled."""
        label = self.entries[name].label
        if label is None:
            return None
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)


def is_rewritten(before: Entry, now: Entry) -> bool:
    """Return whether a file's size has changed, or its content where both fingerprints hold a hash of it."""
    hashed = before.content is not None and now.content is not None
    return before.size != now.size or (hashed and before.content != now.content)


def renumbered(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return a line with the labels whose class is another one; empty if there are none."""
    rows = range(max(len(before), len(now)))
    pairs = [(i, *(names[i] if i < len(names) else "none" for names in (before, now))) for i in rows]
    changed = [f"class {i}: {old} → {new}" for i, old, new in pairs if old != new]
    return [first_names(changed)] if changed else []


def files(what: str, names: Collection[str]) -> list[str]:
    """Return a line with the number of files and the first names; empty without any."""
    return [f"{len(names):,} file{'s' if len(names) > 1 else ''} {what}: {first_names(sorted(names))}"] if names else []


def reread(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line with the probes whose hash is another one; empty if there are none."""
    changed = [name for name in before if name in now and before[name] != now[name]]
    return [f"other content: {first_names(changed)}"] if changed else []


def first_names(names: Sequence[str]) -> str:
    """Join the first few names, on one line, and the number of the others."""
    names = list(map(printable, names))
    more = [f"and {len(names) - MAX_NAMES:,} more"] if len(names) > MAX_NAMES else []
    return ", ".join([*names[:MAX_NAMES], *more])


def file_entries(paths: Sequence[str], names: Sequence[str], labels: Sequence[int | None]) -> dict[str, Entry]:
    """Return name → entry of files, with content hashes if there are at most HASHED_FILES of HASHED_BYTES in all.

    Names are stored in Unicode's normal form NFC; bytes that are no UTF-8 are escaped.
    """
    sizes = [file_size(path) for path in paths]
    hashed = len(paths) <= HASHED_FILES and sum(sizes) <= HASHED_BYTES
    return {
        stored_name(name): Entry(size, label, hash_file(path) if hashed else None)
        for path, name, label, size in zip(paths, names, labels, sizes, strict=True)
    }


def stored_name(name: str) -> str:
    """Return a name as text that is valid UTF-8, in the normal form NFC."""
    if name.isascii():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def file_size(path: str) -> int:
    """Return the size in bytes; NO_SIZE if there is no such file."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return NO_SIZE


def hash_file(path: Path | str) -> str | None:
    """Return a hash of a file's content; None if it can't be read."""
    try:
        return hash_bytes(Path(path).read_bytes())
    except OSError:
        return None


def hash_bytes(*parts: bytes) -> str:
    """Return a hash of 64 bits as hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
