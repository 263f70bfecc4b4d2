"""Reading what lies in the directory of a run, a sweep, a search or a cache: files that somebody else may have written.

Only regular files are read, each up to a size, and no link is followed out of the directory. So a pipe does not hang a reader,
a device does not fill the memory, and nothing outside the directory is read as if it were part of it, or written to.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MEBIBYTE = 2**20
MAX_BYTES = 16 * MEBIBYTE  # of a file of text; the largest, the plan of 50,000 jobs, has about 10
LIBRARY_FOLDERS = ("wandb",)  # whose links lead outside and are only written by the library itself


class DataFileError(OSError):
    """Signal that a path is no file that may be read as data; `strerror` says why."""


def read_data_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file that is no link and has at most `max_bytes`.

    Raises DataFileError for anything else, and another OSError if the file is missing or can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise data_file_error(path, "is a link; put the file itself there") from None
        if error.errno == errno.ENXIO:  # a socket
            raise data_file_error(path, "is no regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise data_file_error(path, "is no regular file")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - the descriptor is open already
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise data_file_error(path, f"is larger than {max_bytes // MEBIBYTE or 1} MiB")
    return content


def require_regular(path: Path) -> None:
    """Check that a path is a regular file and no link, for a reader that opens it by itself. Raises OSError."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise data_file_error(path, "is no regular file")


def data_file_error(path: Path, why: str) -> DataFileError:
    """Return the error for a path that is not read, and why."""
    return DataFileError(errno.EINVAL, why, str(path))


def require_plain_folder(folder: Path, depth: int | None = None) -> None:
    """Check that a folder holds nothing but regular files, folders, and links that stay inside it; a missing one is accepted.

    `depth` is the number of levels of folders that are looked into, None: all. The folder itself may be reached through a link.
    Raises DataFileError for the first entry that is something else.
    """
    root = os.path.realpath(folder)
    for entry in entries(folder, depth):
        path = Path(entry.path)
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(root + os.sep):
                raise data_file_error(path, "is a link that leads outside; remove it, or put there what it leads to")
        elif not (entry.is_file() or entry.is_dir()) and os.path.lexists(path):  # it may have been removed meanwhile
            raise data_file_error(path, "is no regular file; remove it")


def entries(folder: Path, depth: int | None = None) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder and the folders in it hold; links are yielded, not followed.

    What is missing, or may not be read, holds nothing. Raises OSError for other errors.
    """
    waiting = [(os.fspath(folder), depth)]
    while waiting:
        path, levels = waiting.pop()
        try:
            with os.scandir(path) as iterator:
                found = list(iterator)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False) and entry.name not in LIBRARY_FOLDERS and levels != 0:
                waiting.append((entry.path, None if levels is None else levels - 1))
