"""One run, one owner: who may write in a run directory.

.lock        the kernel's lock: it goes with its process, so a dead owner leaves nothing to clear away
.lock.soft   in its place where the filesystem has no such locks
.lock.owner  who holds it: {"host", "pid", "boot", "job", "restarts"}

Between machines the kernel's lock is not to be trusted (a network filesystem may keep it to one client), so the record of an
owner on another machine is believed until a person deletes it; or until SLURM starts the same job again, which it does only
when it has ended.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from gan_lightning.config.errors import UserError
from gan_lightning.storage.atomic import is_alive, write_text

PATIENCE = 5.0  # seconds that a new owner may need to write its record
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


class Owner(NamedTuple):
    """A process, as others can tell it apart."""

    host: str
    pid: int
    boot: str  # of the kernel: containers on a machine share it, and its locks
    job: str  # SLURM's, and how often it was started again
    restarts: int

    @classmethod
    def this(cls) -> Owner:
        """The process that asks."""
        job, restarts = (os.environ.get(f"SLURM_{name}", "") for name in ("JOB_ID", "RESTART_COUNT"))
        return cls(socket.gethostname(), os.getpid(), boot_id(), job, int(restarts or 0))

    def near(self) -> bool:
        """Whether it runs, or ran, on this machine, where the kernel's lock tells."""
        here = Owner.this()
        return self.host == here.host or (self.boot != "" and self.boot == here.boot)

    def over(self) -> bool:
        """Whether it has ended, as one who holds the lock can tell."""
        here = Owner.this()
        return self.near() or (here.job != "" and self.job == here.job and self.restarts < here.restarts)

    def busy(self) -> bool:
        """Whether it still holds what it recorded, as one who does not hold the lock can tell."""
        return is_alive(self.pid) if self.near() else not self.over()


def boot_id() -> str:
    """The running kernel's id; empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def read_owner(folder: Path) -> Owner | None:
    """Who said that the folder is theirs."""
    try:
        return Owner(**json.loads((folder / ".lock.owner").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder is this process's meanwhile. Raises UserError, naming another's host and pid, and OSError."""
    with ExitStack() as stack:
        _lock(folder, stack)
        other = read_owner(folder)
        if other is not None and not other.over():
            raise UserError(describe_owner(folder, other))
        record = folder / ".lock.owner"
        write_text(record, json.dumps(Owner.this()._asdict()) + "\n")
        try:
            yield
        finally:
            with suppress(OSError):
                record.unlink()


def _lock(folder: Path, stack: ExitStack) -> None:
    try:
        _acquire(FileLock(folder / ".lock", fallback_to_soft=False), folder, stack)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        _acquire(SoftFileLock(folder / ".lock.soft"), folder, stack)


def _acquire(lock: BaseFileLock, folder: Path, stack: ExitStack) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            other = read_owner(folder)
            known = other is not None and (is_alive(other.pid) or not other.near())
            if known or time.monotonic() > until:
                raise UserError(describe_owner(folder, other)) from None
            time.sleep(0.05)
        else:
            return


def describe_owner(folder: Path, other: Owner | None) -> str:
    """What to tell one who comes second."""
    if other is None:
        return f"run={folder}: another process is training here"
    cure = "" if other.near() else f"; if that machine is gone: rm {folder}/.lock*"
    return f"run={folder}: host {other.host}, pid {other.pid} is training here{cure}"
