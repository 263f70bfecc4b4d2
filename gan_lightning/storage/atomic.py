"""Atomic file writes: a file is written beside its target, flushed to the disk, and only then renamed.

open .x.PID@HOST.tmp → write → fsync → replace x → fsync of the folder

At whatever point the writer dies, a reader sees the complete old file or the complete new one; the next file that a process of
this machine flushes to the folder removes the temporary one. Nothing is written to the system's temporary folder: from another
filesystem a move is a copy, which can be cut off.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

PAUSES = (0.1, 0.5)  # seconds before the second and the third attempt
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
FAILING = (*FULL, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, errno.EFBIG)
PERMANENT = (*FULL, *FORBIDDEN, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL)
TEMPORARY = re.compile(r"\.(?P<target>.+)\.(?P<pid>\d+)@(?P<host>.+)\.tmp")
NONE = re.compile(r"(?!)")  # matches no name
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Result = TypeVar("Result")


class DiskFull(OSError):  # noqa: N818 - a condition of the disk, named as in errno's list
    """Signal that a file does not fit on the disk; `need` is its size and `have` the free space, in bytes."""

    def __init__(self, target: Path, need: int, have: int) -> None:
        super().__init__(errno.ENOSPC, f"disk full: need {format_bytes(need)}, have {format_bytes(have)}", str(target))


class ReplaceFile:
    """Replace `target` by a temporary file beside it if the block succeeds; otherwise delete the temporary file.

    with ReplaceFile(target) as temporary: temporary.write_bytes(data)

    Unless `flushed`, a power failure may undo the renaming.
    """

    def __init__(self, target: Path, flushed: bool = True) -> None:
        self.target, self.flushed = target, flushed
        self.temporary = target.with_name(f".{target.name}.{os.getpid()}@{socket.gethostname()}.tmp")

    def __enter__(self) -> Path:
        if self.flushed:  # not for each of a thousand samples, whose folder would be listed a thousand times
            remove_orphans(self.target.parent)
        return self.temporary

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self.temporary.replace(self.target)
        except OSError:
            self._discard()
            raise
        if self.flushed:
            fsync_folder(self.target.parent)

    def _discard(self) -> None:
        with suppress(OSError):
            self.temporary.unlink()


@contextmanager
def open_atomic(target: Path, size: Callable[[], int], flushed: bool = True) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `target` at the end of the block, once all of it is on the disk.

    `size` computes the size in bytes for the message of a full disk. Unless `flushed`, a power failure may undo the write.
    Raises DiskFull, or another OSError that names `target`.
    """
    try:
        with ReplaceFile(target, flushed) as temporary, create_file(temporary) as file:
            yield file
            file.flush()
            if flushed:
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(target, size(), shutil.disk_usage(target.parent).free) from None
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None


def create_file(path: Path) -> BinaryIO:
    """Create a file for writing, in place of one of this name; a link of this name is not followed. Raises OSError."""
    try:
        return path.open("xb")
    except FileExistsError:  # of a dead process with the same number, or put there by somebody else
        path.unlink()
        return path.open("xb")


def write_bytes(target: Path, data: bytes, flushed: bool = True) -> None:
    """Write a file with `open_atomic` and `retry`. Raises OSError."""

    def attempt() -> None:
        with open_atomic(target, lambda: len(data), flushed) as file:
            file.write(data)

    retry(attempt)


def write_text(target: Path, text: str) -> None:
    """Write a text file in UTF-8 with `open_atomic` and `retry`. Raises OSError."""
    write_bytes(target, text.encode())


def retry(action: Callable[[], Result]) -> Result:
    """Return the action's result, after up to three attempts. Raises OSError if the last fails, or if a retry can't help."""
    for pause in PAUSES:
        try:
            return action()
        except OSError as error:
            if error.errno in PERMANENT:
                raise
            time.sleep(pause)
    return action()


def make_folder(folder: Path) -> None:
    """Create a folder with its parents so that it survives a power failure; an existing one is left as it is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that new names in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_writing(folder: Path) -> None:
    """Create and delete a file in the folder. Raises OSError if that is impossible."""
    temporary = ReplaceFile(folder / "probe").temporary
    create_file(temporary).close()
    temporary.unlink()


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine have left in a folder."""
    for path in find_temporaries(folder):
        with suppress(OSError):
            path.unlink()


def find_temporaries(folder: Path, owned: re.Pattern[str] = NONE) -> list[Path]:
    """Return the temporary files in a folder that no process writes any more.

    These are the files of dead processes on this host, and those whose target's name matches `owned`, which only the caller
    may write.
    """
    orphans = []
    for path in folder.glob(".*.tmp"):
        if (m := TEMPORARY.fullmatch(path.name)) and (
            owned.fullmatch(m["target"]) or (m["host"] == socket.gethostname() and not is_alive(int(m["pid"])))
        ):
            orphans.append(path)
    return sorted(orphans)


def is_alive(pid: int) -> bool:
    """Return whether a process runs on this machine; a zombie, which its parent has not yet reaped, does not run."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # a system without /proc
        return True
    return state != "Z"


def reason(error: OSError) -> str:
    """Return the short description of an OSError, without number and file name."""
    return error.strerror or str(error) or type(error).__name__


def format_bytes(n: float) -> str:
    """Return a number of bytes in the largest binary unit that fits, such as 1.5 KiB."""
    for unit in UNITS:
        if n < 1024 or unit == UNITS[-1]:
            break
        n /= 1024
    return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
