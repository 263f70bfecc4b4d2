"""GPUs for jobs that run beside one another on one machine: each takes free ones and holds them as long as it lives.

The locks are the kernel's and lie where every sweep of this user finds them, so two sweeps on one machine share its GPUs, too,
and a job that is killed gives its own back. Under SLURM each job is shown GPUs of its own, and takes them all.
"""

from __future__ import annotations

import getpass
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE = 0.5  # seconds between two looks for a free one


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [word.strip() for word in named.split(",") if word.strip() not in ("", "-1")]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]  # asks the driver, begins no context


@contextmanager
def lease_gpus(count: int) -> Iterator[None]:
    """So many GPUs are this process's meanwhile, and the only ones it sees; it waits until they are free.

    On a machine with fewer, or none, nothing is leased: training itself tells what is missing.
    """
    there = visible_gpus()
    if not 0 < count <= len(there):
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"gan_lightning-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        while len(held := try_locks(folder, there, count, stack)) < count:
            stack.close()  # never hold a part: two jobs would wait for each other
            time.sleep(PATIENCE)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)
        yield


def try_locks(folder: Path, there: list[str], count: int, stack: ExitStack) -> list[str]:
    """Those that could be locked, at most `count`."""
    held: list[str] = []
    for name in there:
        if len(held) < count:
            try:
                stack.enter_context(FileLock(folder / f"gpu-{name.replace('/', '_')}.lock").acquire(timeout=0))
            except Timeout:
                continue
            held.append(name)
    return held
