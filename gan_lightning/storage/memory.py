"""The memory that a process can use at most: of the machine, within the limits of its control group, or of a GPU."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # the second names the groups of this process
LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of versions 2 and 1


def machine_memory() -> int | None:
    """Return the bytes of memory that all processes here can use together; None if the system does not say.

    A container or a job of a cluster is limited by its control groups, each with its own limit in a file.
    """
    limits = [*cgroup_limits()]
    with contextlib.suppress(ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits, default=None)


def cgroup_limits() -> list[int]:
    """Return the limits in bytes of the control groups that contain this process."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:  # not on Linux
        return []
    folders = [CGROUPS, CGROUPS / "memory"]  # inside a container its own group is the root
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            group = CGROUPS / controllers / path.lstrip("/")
            folders += [group, *(parent for parent in group.parents if parent.is_relative_to(CGROUPS))]
    texts = [read_text(folder / name) for folder in folders for name in LIMIT_FILES]
    return [int(text) for text in texts if text.isdigit()]  # "max": no limit; version 1 has a number above any memory


def read_text(path: Path) -> str:
    """Return a file's content without white space around it; empty if it can't be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def gpu_memory() -> int | None:
    """Return the bytes of the largest GPU's memory, without CUDA being initialized here; None if that can't be read."""
    line = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - a fixed command
    except (OSError, subprocess.TimeoutExpired):
        return None
    sizes = [int(text) for text in done.stdout.split() if text.isdigit()]
    return max(sizes) * 2**20 if sizes else None
