"""The lock of a run directory: only one process at a time writes there.

.lock        the kernel's lock, which ends with its process: a dead owner leaves nothing to clean up
.lock.soft   replaces it where the filesystem has no such locks
.lock.owner  who holds it: {"host", "pid", "boot", "job", "restarts"}

Between machines the kernel's lock is not reliable (a network filesystem may restrict it to one client). So the record of an
owner on another machine is valid until a person deletes it, or until SLURM restarts the same job, which it does only after the
job has ended.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout
from pydantic import Field

from gan_lightning.config.errors import UserError
from gan_lightning.distributed.environment import natural
from gan_lightning.distributed.slurm import job_id
from gan_lightning.storage.atomic import is_alive, write_text
from gan_lightning.storage.data_model import DataModel, read_model

RECORD_TIMEOUT = 5.0  # seconds that a new owner may need to write its record
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


class LockedError(UserError):
    """Signal that a run directory belongs to another process."""


class Owner(DataModel):
    """Identify a process across machines, containers and restarts of a SLURM job."""

    host: str
    pid: Annotated[int, Field(ge=1, lt=2**31)]
    boot: str  # the kernel's boot id; containers on one machine share it, and the kernel's locks
    job: str  # SLURM's id, of an array's task as ARRAY_TASK
    restarts: Annotated[int, Field(ge=0)]  # of the job

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        job, restarts = job_id() or "", natural("SLURM_RESTART_COUNT") or 0
        return cls(host=socket.gethostname(), pid=os.getpid(), boot=boot_id(), job=job, restarts=restarts)

    def is_local(self) -> bool:
        """Return whether the owner runs or ran on this machine, where the kernel's lock is reliable."""
        current = Owner.current()
        return self.host == current.host or (self.boot != "" and self.boot == current.boot)

    def has_ended(self) -> bool:
        """Return whether the owner has ended; valid only in the process that holds the lock."""
        current = Owner.current()
        return self.is_local() or (current.job != "" and self.job == current.job and self.restarts < current.restarts)

    def busy(self) -> bool:
        """Return whether the owner still runs; valid in a process that does not hold the lock."""
        return is_alive(self.pid) if self.is_local() else not self.has_ended()


def boot_id() -> str:
    """Return the boot id of the running kernel; empty if it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_owner(folder: Path) -> Owner | None:
    """Return the recorded owner of a run directory; None without a readable record, because the kernel's lock decides."""
    try:
        return read_model(folder / ".lock.owner", Owner)[0]
    except OSError:
        return None


@contextmanager
def locked(folder: Path, ended_job: str = "") -> Iterator[None]:
    """Lock a run directory for this process; the record of a process of `ended_job`, a job of SLURM, does not count.

    Raises LockedError, with the owner's host and pid, if it belongs to another process, and OSError if nothing can be written.
    """
    with ExitStack() as stack:
        _lock(folder, stack)
        owner = read_owner(folder)
        if owner is not None and not owner.has_ended() and not (ended_job and owner.job == ended_job):
            raise LockedError(describe_owner(folder, owner))
        record = folder / ".lock.owner"
        write_text(record, Owner.current().model_dump_json() + "\n")
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
    deadline = time.monotonic() + RECORD_TIMEOUT
    while True:
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            owner = read_owner(folder)
            valid = owner is not None and (is_alive(owner.pid) or not owner.is_local())  # else a dead owner's old record
            if valid or time.monotonic() > deadline:
                raise LockedError(describe_owner(folder, owner)) from None
            time.sleep(0.05)
        else:
            return


def describe_owner(folder: Path, owner: Owner | None) -> str:
    """Return the error line for a second process; `owner` is None if it has not recorded itself."""
    if owner is None:
        return f"run={folder}: another process is training here"
    cure = "" if owner.is_local() else f"; if that machine is gone: rm {folder}/.lock*"
    return f"run={folder}: host {owner.host}, pid {owner.pid} is training here{cure}"
