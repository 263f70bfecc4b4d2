"""The provenance of a result: commit, versions of Python and libraries, device and seed."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from gan_lightning.config.resolve import Plain

PACKAGES = ("gan-lightning", "torch", "torchvision", "pytorch-lightning", "hydra-core", "tensorboard", "numpy")


def provenance(seed: int, device: str) -> Plain:
    """Return the entry of result.json that names what a result was computed with."""
    import torch

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return {**commit(), "versions": versions, "device": device, "threads": torch.get_num_threads(), "seed": seed}


def commit() -> Plain:
    """Return the checkout's commit, and whether its files differ from it; both None if this code is not in a checkout."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {"commit": None, "dirty": None}
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
