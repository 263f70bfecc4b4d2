"""The record of a cache of decoded images, `fingerprint.json`, and the check that its array was not altered.

An array of at most 1 GiB is compared by its checksum, which takes about a second a GiB; a larger one by its size and its time
of modification. Once in a process is enough, because an array that is changed gets another time of change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gan_lightning.data.wide_values import WideSummary
from gan_lightning.storage.data_file import require_plain_folder
from gan_lightning.storage.data_model import DataModel, read_model

CHECKED_BYTES = 2**30  # of the largest array whose checksum is compared
NAME = "fingerprint.json"


class ComparedBy(DataModel):
    """Hold what an array is compared by: its size, its time of modification, and its checksum if it is not too large."""

    bytes: int
    mtime_ns: int
    blake2b: str | None


class WideRecord(DataModel):
    """Hold how many images have values with more than 8 bits, and the range of these values."""

    images: int
    smallest: float
    largest: float


class CacheRecord(DataModel):
    """Describe the entries of a record that are read again."""

    compared: Annotated[ComparedBy, Field(alias="samples.npy")]
    wide_values: WideRecord | None = None


_intact: set[tuple[str, int, int, int]] = set()  # arrays that this process has compared


def checksum(path: Path) -> str:
    """Return the BLAKE2b hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def write_record(array: Path, recipe: dict[str, Any], wide: WideSummary) -> None:
    """Write the record beside an array that is complete: the recipe of its content and what it is compared by."""
    status = array.stat()
    compared: dict[str, Any] = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    compared["blake2b"] = checksum(array) if status.st_size <= CHECKED_BYTES else None
    values = {"images": wide.images, "smallest": wide.smallest, "largest": wide.largest} if wide.images else None
    text = json.dumps(recipe | {"wide_values": values, "samples.npy": compared}, indent=2)
    (array.parent / NAME).write_text(text + "\n", encoding="utf-8")


def damage(array: Path) -> str | None:
    """Return how an array differs from its record, in a few words; None: it is what was written."""
    try:
        require_plain_folder(array.parent)
        status = array.stat()
        compared = read_model(array.parent / NAME, CacheRecord)[0].compared
        size, modified, digest = compared.bytes, compared.mtime_ns, compared.blake2b
    except OSError:
        return "its record is missing or damaged"
    if status.st_size != size:
        return f"it has {status.st_size} bytes instead of {size}"
    if status.st_size > CHECKED_BYTES or digest is None:
        return None if status.st_mtime_ns == modified else "it was modified after it was written"
    key = (str(array), status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _intact:
        if checksum(array) != digest:
            return "its checksum is another than when it was written"
        _intact.add(key)
    return None


def read_wide_summary(folder: Path) -> WideSummary:
    """Return the summary of the values with more than 8 bits; an empty one if the record holds none that can be read."""
    try:
        values = read_model(folder / NAME, CacheRecord)[0].wide_values
    except OSError:
        return WideSummary()
    return WideSummary() if values is None else WideSummary(values.images, values.smallest, values.largest)
