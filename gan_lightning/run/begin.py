"""Where ranks agree before they train: on one config, one run directory, one checkpoint to go on from.

Each rank has composed its config by itself, perhaps on another machine. They tell one another over the store at
MASTER_ADDR:MASTER_PORT, that of their process group later on. What one of them refuses all refuse, and the first rank says it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run
from gan_lightning.config.world_size import is_distributed
from gan_lightning.distributed.rendezvous import WAIT, SharedError, all_gather, broadcast_from_rank_zero

VISIBLE_WITHIN = 30.0  # seconds until a file that one machine wrote is seen by another


def begin_on_rank_zero(path: str, config: DictConfig, overrides: Sequence[str]) -> Run:
    """`Run.begin`, by the first rank; the others open what it made. Raises Refused."""
    from gan_lightning.run.directory import Run

    if not is_distributed():
        return Run.begin(path, config, overrides)
    folder = Path(broadcast_from_rank_zero("begun", lambda: str(Run.begin(path, config, overrides).path)))
    until = time.monotonic() + VISIBLE_WITHIN
    while not (there := (folder / "config.yaml").is_file()) and time.monotonic() < until:
        time.sleep(0.1)
    words = all_gather("seen", {"host": socket.gethostname(), "seen": there}, VISIBLE_WITHIN + WAIT)
    if blind := [f"rank {i} on {word['host']}" for i, word in enumerate(words) if not word["seen"]]:
        made = f"the run directory that rank 0 made on {words[0]['host']}"
        raise SharedError(
            f"{folder}: {made} can't be seen by {', '.join(blind)}; hydra.run.dir= on a filesystem that all share"
        )
    return Run(folder)
