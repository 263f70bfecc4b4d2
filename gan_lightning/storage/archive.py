"""The zip archive that torch writes: checked as a whole before anything in it is unpickled.

torch stores each entry as it is. An archive of another origin may hold deflated entries that unpack to more than the memory, or
a pickle that makes gigabytes of Python objects; both are refused by their declared sizes, before any of it is read.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

FIRST_BYTES = b"PK\x03\x04"
MAX_PICKLE = 8 * 2**20  # bytes of data.pkl, which takes about 150 for each tensor


def is_archive(file: Path) -> bool:
    """Return whether a file begins as a zip archive does. Raises OSError."""
    with file.open("rb") as opened:
        return opened.read(len(FIRST_BYTES)) == FIRST_BYTES


def find_damage(file: Path) -> str | None:
    """Return what is wrong with an archive, or None after every byte was compared with its checksum. Raises OSError."""
    size = file.stat().st_size
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) < len(entries):
                return "holds two entries of one name"
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
                return "holds compressed entries, which torch does not write"
            if sum(entry.file_size for entry in entries) > size:
                return "holds entries that are longer than the file"
            if any(entry.filename.endswith("data.pkl") and entry.file_size > MAX_PICKLE for entry in entries):
                return f"holds a pickle of more than {MAX_PICKLE // 2**20} MiB"
            if (name := archive.testzip()) is not None:
                return f"{name!a} is damaged"
            orders = [archive.read(entry) for entry in entries if entry.filename.endswith("/byteorder")]
    except OSError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        return f"can't be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if any(order != sys.byteorder.encode() for order in orders):
        return f"is not in this machine's byte order ({sys.byteorder})"
    return None
