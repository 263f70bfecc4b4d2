"""How many processes train together: as a config asks for, and as this process was started."""

from __future__ import annotations

import os

from gan_lightning.config.resolve import Plain

ALL = ("auto", -1, "-1")  # devices: as many as this machine has GPUs, or one process without


def world_size(plain: Plain) -> int:
    """How many processes train together."""
    devices, nodes = plain["trainer"].get("devices", 1), plain["trainer"].get("num_nodes", 1)
    if devices in ALL:
        import torch

        devices = max(torch.cuda.device_count(), 1) if plain["trainer"].get("accelerator") != "cpu" else 1
    return (len(devices) if isinstance(devices, list) else devices if isinstance(devices, int) else 1) * nodes


def is_distributed() -> bool:
    """Whether this process is one of several that train together."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def global_rank() -> int:
    """This process's place among them; 0: the first, or alone."""
    return int(os.environ["RANK"]) if is_distributed() else 0
