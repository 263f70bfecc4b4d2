"""The start of a run in several processes: rank 0 makes the run directory, and all ranks check that they can see it.

On a network filesystem a new file is visible to other machines only after some seconds; on a local one, never.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gan_lightning.config.compose import Composer
from gan_lightning.config.parent import NO_EXPERIMENT
from gan_lightning.config.world_size import is_distributed
from gan_lightning.distributed.store import TIMEOUT, SharedError, all_gather, broadcast_from_rank_zero

if TYPE_CHECKING:
    from gan_lightning.run.directory import Run

VISIBLE_WITHIN = 30.0  # seconds until a file that one machine wrote is visible to another


def job_config(config: DictConfig) -> tuple[DictConfig, list[str]]:
    """Return the config of the job that Hydra runs now, and its overrides without Hydra's own.

    A fork's config is its parent's with what is typed, which Hydra alone can't compose. Raises UserError.
    """
    from gan_lightning.run.directory import Run

    task = HydraConfig.get()
    overrides = [override for override in task.overrides.task if not override.startswith("hydra.")]
    if not any(override.startswith("++fork={") for override in overrides):  # as `Composer.for_hydra` writes it
        return config, overrides
    typed = [override.removeprefix("++") for override in overrides if override != NO_EXPERIMENT]
    folders = [source.path for source in task.runtime.config_sources if source.provider == "command-line"]
    composer = Composer(folders[0] if folders else None, task.job.config_name, Run(config.fork.run).config)
    return composer.compose([*task.overrides.hydra, *typed]), typed


def begin_on_rank_zero(path: str, config: DictConfig, overrides: Sequence[str]) -> Run:
    """Begin the run on rank 0 with `Run.begin`, and open the same directory on the other ranks.

    Raises UserError; with several ranks SharedError if one of them can't see the directory, or if rank 0 could not make it.
    """
    from gan_lightning.run.directory import Run

    if not is_distributed():
        return Run.begin(path, config, overrides)
    folder = Path(broadcast_from_rank_zero("run", lambda: str(Run.begin(path, config, overrides).path)))
    deadline = time.monotonic() + VISIBLE_WITHIN
    while not (visible := (folder / "config.yaml").is_file()) and time.monotonic() < deadline:
        time.sleep(0.1)
    messages = all_gather("visible", {"host": socket.gethostname(), "visible": visible}, VISIBLE_WITHIN + TIMEOUT)
    if blind := [f"rank {i} on {message['host']}" for i, message in enumerate(messages) if not message["visible"]]:
        made = f"the run directory that rank 0 made on {messages[0]['host']}"
        raise SharedError(
            f"{folder}: {made} can't be seen by {', '.join(blind)}; hydra.run.dir= on a filesystem that all share"
        )
    return Run(folder)
