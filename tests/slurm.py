"""A real SLURM on this machine, for tests."""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import HANG

SANDBOX = Path(__file__).parent.parent / "scripts" / "slurm_sandbox.sh"
needed = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))) or os.getuid() != 0,
        reason="needs Debian's slurm-wlm and munge, and root",
    ),
]


@contextmanager
def sandbox(folder, nodes=1, cpus=1):
    """A SLURM in this folder; this process's commands talk to it meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_SANDBOX_PORT", str(20000 + (10 * os.getpid() + 4 * nodes) % 20000))
        patch.setenv("SLURM_SANDBOX_NODES", str(nodes))
        patch.setenv("SLURM_SANDBOX_CPUS", str(cpus))
        up = subprocess.run([SANDBOX, "up", folder], capture_output=True, text=True, timeout=HANG, check=False)
        if up.returncode or "idle" not in up.stderr:
            subprocess.run([SANDBOX, "down", folder], timeout=HANG, check=False)
            pytest.skip(f"SLURM does not start here: {up.stderr[-300:]}")
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]))
        yield
        subprocess.run([SANDBOX, "down", folder], timeout=HANG, check=False)


def said(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=HANG, check=True).stdout
