"""GPU leases: concurrent jobs on one machine each lock free GPUs until they end.

The locks are file locks of the kernel in a folder that all sweeps of a user share. Therefore two sweeps on one machine never
use the same GPU, and the GPUs of a killed job are free again. Under SLURM a job sees only the GPUs of its allocation and leases
those.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gan_lightning.storage.home import user_name

POLL_SECONDS = 0.5  # between two attempts to lock a free GPU


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]  # queries the driver without creating a CUDA context


@contextmanager
def lease_gpus(count: int) -> Iterator[None]:
    """Wait for `count` free GPUs, lock them, and make them the only visible ones; the locks are held during the block.

    On a machine with fewer GPUs nothing is leased: training then reports what is missing.
    """
    gpus = visible_gpus()
    if not 0 < count <= len(gpus):
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"gan_lightning-{user_name()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        while len(leased := try_locks(folder, gpus, count, stack)) < count:
            stack.close()  # release a partial lease, or two jobs could wait for each other forever
            time.sleep(POLL_SECONDS)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(leased)
        yield


def try_locks(folder: Path, gpus: list[str], count: int, stack: ExitStack) -> list[str]:
    """Lock up to `count` free GPUs on `stack` without waiting, and return their names."""
    locked: list[str] = []
    for name in gpus:
        if len(locked) < count:
            try:
                stack.enter_context(FileLock(folder / f"gpu-{name.replace('/', '_')}.lock").acquire(timeout=0))
            except Timeout:
                continue
            locked.append(name)
    return locked
