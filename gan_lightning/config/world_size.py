"""The number of processes that train together: as the config requests it, and as this process was started."""

from __future__ import annotations

import os

from gan_lightning.config.resolve import Plain

ALL_DEVICES = ("auto", -1, "-1")  # one process per GPU of this machine, or a single process without a GPU


def world_size(plain: Plain) -> int:
    """Return the number of processes that a config requests: devices per node times nodes."""
    devices, nodes = plain["trainer"].get("devices", 1), plain["trainer"].get("num_nodes", 1)
    if devices in ALL_DEVICES:
        import torch

        devices = max(torch.cuda.device_count(), 1) if plain["trainer"].get("accelerator") != "cpu" else 1
    return (len(devices) if isinstance(devices, list) else devices if isinstance(devices, int) else 1) * nodes


def is_distributed() -> bool:
    """Return whether this process is one of several that train together."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def global_rank() -> int:
    """Return this process's rank; 0 if it trains alone."""
    return int(os.environ["RANK"]) if is_distributed() else 0
