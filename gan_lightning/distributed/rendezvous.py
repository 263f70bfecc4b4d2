"""The agreement of all ranks before they train: one config, one run directory, each error printed once.

Each rank composes its config on its own, perhaps on another machine. An error of one rank ends all of them, so that none waits
for a rank that never starts; rank 0 prints it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from gan_lightning.config.errors import UserError, one_line, print_user_error
from gan_lightning.config.quoting import quote_value
from gan_lightning.config.resolve import Plain, differences, resolve
from gan_lightning.config.world_size import global_rank, is_distributed, world_size
from gan_lightning.distributed import slurm
from gan_lightning.distributed.store import (
    TIMEOUT,
    RendezvousError,
    Result,
    SharedError,
    all_gather,
    broadcast_from_rank_zero,
    claim_line,
    connected,
    publish,
)


def agree_on_config(compose: Callable[[], DictConfig], work: Callable[[], Result]) -> Result:
    """Return the result of `work` once all ranks have run it without an error and have the same config.

    Raises UserError; with several ranks the same SharedError on each: the errors of all ranks, or how their configs differ.
    """
    if not is_distributed() and slurm.step_environment() is not None:
        join_srun_step(compose())
    if not is_distributed():
        return work()
    timeout, message = TIMEOUT, {"host": socket.gethostname()}
    try:
        config = compose()
        join_srun_step(config)
        result = work()
        plain = resolve(config)
        timeout = float((plain["trainer"].get("strategy") or {}).get("timeout", TIMEOUT))
        message["config"] = json.dumps(plain)
    except UserError as error:
        message["errors"] = json.dumps(error.lines)
    except Exception as error:
        publish("config", message | {"errors": json.dumps([f"{type(error).__name__}: {one_line(error)}"])})
        raise
    messages = all_gather("config", message, timeout)
    if lines := find_disagreements(messages):
        raise SharedError(*lines)
    return result


def find_disagreements(messages: Sequence[dict[str, str]]) -> list[str]:
    """Return the errors of the ranks, or else how their configs differ from rank 0's; each line once, for its first rank."""
    lines: dict[str, str] = {}
    for i, message in enumerate(messages):
        for error in json.loads(message.get("errors", "[]")):
            lines.setdefault(error, f"rank {i}, {message['host']}: {error}" if i else error)
    if lines:
        return list(lines.values())
    first: Plain = json.loads(messages[0]["config"])
    for i, message in enumerate(messages[1:], 1):
        if changed := "; ".join(differences(first, json.loads(message["config"]))):
            lines.setdefault(changed, f"rank {i}, {message['host']}: has another config than rank 0: {changed}")
    return list(lines.values())


def join_srun_step(config: DictConfig) -> None:
    """Take over rank and world size from srun if the config requests as many processes, and silence all ranks but rank 0.

    Raises UserError if several processes were started, and the config requests another number.
    """
    requested, step = world_size(resolve(config)), slurm.step_environment()
    if "RANK" not in os.environ and step is not None and int(step["WORLD_SIZE"]) == requested:
        os.environ |= step | slurm.master_environment()
    started = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if is_distributed() and started != requested:
        devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cure = f"trainer=ddp trainer.devices={devices} trainer.num_nodes={max(started // devices, 1)}"
        raise UserError(f"trainer.devices: the config asks for {requested} processes, but {started} were started; use {cure}")
    if global_rank():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends


def share_run_dir(find: Callable[[], str]) -> list[str]:
    """Return the override that gives every rank the run directory of rank 0, which calls `find`; empty for one process."""
    if not is_distributed():
        return []
    path = broadcast_from_rank_zero("directory", lambda: str(Path(find()).absolute()))
    return [f"hydra.run.dir={quote_value(path)}"]


def report_user_error(error: UserError, debug: bool = False) -> int:
    """Print the error on one of the ranks where it was raised, and return the exit code.

    Rank 0 prints all of its errors. Another rank prints, with its number and host, only what is not a SharedError and what no
    other rank has printed.
    """
    if global_rank() == 0:
        return print_user_error(error, debug)
    if isinstance(error, RendezvousError) or (
        connected and not isinstance(error, SharedError) and claim_line("; ".join(error.lines))
    ):
        print(*(f"rank {global_rank()}, {socket.gethostname()}: {line}" for line in error.lines), sep="\n", file=sys.stderr)
    return error.code
