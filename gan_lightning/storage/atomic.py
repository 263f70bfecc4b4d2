"""How a file is written: beside its target, flushed to the disk, and only then given its name.

open .x.PID@HOST.tmp → write → fsync → replace x → fsync of the folder

A reader sees the old file or the new one, never less, at whatever point the writer dies; the next start removes what it left.
Nothing goes through the temporary folder: on another filesystem a move is a copy, and a copy can be cut off.
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

PAUSES = (0.1, 0.5)  # seconds before the second and the third try
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
FAILING = (*FULL, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, errno.EFBIG)
HOPELESS = (*FULL, *FORBIDDEN, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL)
TEMPORARY = re.compile(r"\.(?P<target>.+)\.(?P<pid>\d+)@(?P<host>.+)\.tmp")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Answer = TypeVar("Answer")


class DiskFull(OSError):  # noqa: N818 - it is what a person is told
    """No room for a file: its size and what is free, in bytes, once the attempt has been cleaned away."""

    def __init__(self, target: Path, need: int, have: int) -> None:
        super().__init__(errno.ENOSPC, f"disk full: need {format_bytes(need)}, have {format_bytes(have)}", str(target))


class ReplaceFile:
    """A temporary file beside `target` that takes its place if the block ends well, and is gone if not."""

    def __init__(self, target: Path, flushed: bool = True) -> None:
        self.target, self.flushed = target, flushed
        self.temporary = target.with_name(f".{target.name}.{os.getpid()}@{socket.gethostname()}.tmp")

    def __enter__(self) -> Path:
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
def open_atomic(target: Path, need: Callable[[], int], flushed: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, which takes `target`'s name when all of it is on the disk; `need()` is asked where it has no room.

    Raises DiskFull, or what else the filesystem says of `target`. Not `flushed`: a power cut may take it back.
    """
    try:
        with ReplaceFile(target, flushed) as temporary, temporary.open("wb") as file:
            yield file
            file.flush()
            if flushed:
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(target, need(), shutil.disk_usage(target.parent).free) from None
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None


def write_bytes(target: Path, data: bytes, flushed: bool = True) -> None:
    """A file, whole or not at all: see `open_atomic`. Raises OSError when it failed more than a few times."""

    def once() -> None:
        with open_atomic(target, lambda: len(data), flushed) as file:
            file.write(data)

    retry(once)


def write_text(target: Path, text: str) -> None:
    """A small file, whole or not at all. Raises OSError when it failed more than a few times."""
    write_bytes(target, text.encode())


def retry(action: Callable[[], Answer]) -> Answer:
    """The action's answer. What a filesystem may get over is tried again; the last try's OSError is raised."""
    for pause in PAUSES:
        try:
            return action()
        except OSError as error:
            if error.errno in HOPELESS:
                raise
            time.sleep(pause)
    return action()


def make_folder(folder: Path) -> None:
    """The folder is there, and so it is after a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Names that were given in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_writing(folder: Path) -> None:
    """Raises OSError if no file can be made in the folder."""
    temporary = ReplaceFile(folder / "probe").temporary
    temporary.touch()
    temporary.unlink()


def find_temporaries(folder: Path, owned: re.Pattern[str]) -> list[Path]:
    """Temporary files whose writer is gone: those for `owned` names, which only the caller writes, and of this host's dead."""
    found = []
    for path in folder.glob(".*.tmp"):
        if (m := TEMPORARY.fullmatch(path.name)) and (
            owned.fullmatch(m["target"]) or (m["host"] == socket.gethostname() and not is_alive(int(m["pid"])))
        ):
            found.append(path)
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Whether this machine runs such a process; one that has ended and only waits for its parent's notice does not run."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # no /proc here
        return True
    return state != "Z"


def reason(error: OSError) -> str:
    """What a filesystem said, in a few words."""
    return error.strerror or str(error) or type(error).__name__


def format_bytes(n: float) -> str:
    """Bytes as a person reads them."""
    for unit in UNITS:
        if n < 1024 or unit == UNITS[-1]:
            break
        n /= 1024
    return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
