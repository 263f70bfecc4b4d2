"""Where ranks agree before they train: on one config, one run directory, one checkpoint to go on from.

Each rank has composed its config by itself, perhaps on another machine. They tell one another over the store at
MASTER_ADDR:MASTER_PORT, that of their process group later on. What one of them refuses all refuse, and the first rank says it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig

from gan_lightning.config.compose import quote_value
from gan_lightning.config.errors import UserError, one_line, print_user_error
from gan_lightning.config.resolve import Plain, differences, resolve
from gan_lightning.config.world_size import global_rank, is_distributed
from gan_lightning.distributed import slurm

Answer = TypeVar("Answer")
WAIT = 600.0  # seconds for the others to come, where no config says it
WORK = 24 * 3600.0  # seconds that the first rank may work for all


class SharedError(UserError):
    """What all ranks refuse alike: the first one says it."""


class RendezvousError(UserError):
    """What a rank says that finds no other."""


def report_user_error(error: UserError, debug: bool = False) -> int:
    """Say it, in one of the ranks where it is true of many. Returns the exit code."""
    if global_rank() == 0:
        return print_user_error(error, debug)
    if isinstance(error, RendezvousError) or (
        connected and not isinstance(error, SharedError) and claim_line("; ".join(error.lines))
    ):
        print(*(f"rank {global_rank()}, {socket.gethostname()}: {line}" for line in error.lines), sep="\n", file=sys.stderr)
    return error.code


def agree_on_config(compose: Callable[[], DictConfig], work: Callable[[], Answer]) -> Answer:
    """What `work` finds here, if no rank refuses its part and all have the same config. Raises UserError."""
    if not is_distributed() and slurm.step_environment() is not None:
        join_srun_step(compose())
    if not is_distributed():
        return work()
    timeout, word = WAIT, {"host": socket.gethostname()}
    try:
        config = compose()
        join_srun_step(config)
        found = work()
        mine = resolve(config)
        timeout = float((mine["trainer"].get("strategy") or {}).get("timeout", WAIT))
        word["config"] = json.dumps(mine)
    except UserError as error:
        word["refused"] = json.dumps(error.lines)
    except Exception as error:
        publish("config", word | {"refused": json.dumps([f"{type(error).__name__}: {one_line(error)}"])})
        raise
    words = all_gather("config", word, timeout)
    if lines := find_disagreements(words):
        raise SharedError(*lines)
    return found


def find_disagreements(words: Sequence[dict[str, str]]) -> list[str]:
    """What the ranks refuse, each line once, and where their configs differ from the first one's."""
    said: dict[str, str] = {}
    for i, word in enumerate(words):
        for line in json.loads(word.get("refused", "[]")):
            said.setdefault(line, f"rank {i}, {word['host']}: {line}" if i else line)
    if said:
        return list(said.values())
    first: Plain = json.loads(words[0]["config"])
    for i, word in enumerate(words[1:], 1):
        if found := differences(first, json.loads(word["config"])):
            said.setdefault("; ".join(found), f"rank {i}, {word['host']}: has another config than rank 0: {'; '.join(found)}")
    return list(said.values())


def join_srun_step(config: DictConfig) -> None:
    """Take the place that srun has given, if the config asks for as many processes; all but the first rank are silent.

    Raises UserError where the config asks for another number than were started.
    """
    from gan_lightning.config.world_size import world_size

    asked = world_size(resolve(config))
    place = slurm.step_environment()
    if "RANK" not in os.environ and place is not None and int(place["WORLD_SIZE"]) == asked:
        os.environ |= place | slurm.master_environment()
    started = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if is_distributed() and started != asked:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cure = f"trainer=ddp trainer.devices={here} trainer.num_nodes={max(started // here, 1)}"
        raise UserError(f"trainer.devices: the config asks for {asked} processes, but {started} were started; use {cure}")
    if global_rank():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends


def share_run_dir(find: Callable[[], str]) -> list[str]:
    """The word for Hydra's command line that gives every rank the first one's run directory; alone, none."""
    if not is_distributed():
        return []
    path = broadcast_from_rank_zero("directory", lambda: str(Path(find()).absolute()))
    return [f"hydra.run.dir={quote_value(path)}"]


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────────────
connected: list[Any] = []  # the store, once the ranks have met


def connect_store(timeout: float = WAIT) -> Any:
    """The one at MASTER_ADDR:MASTER_PORT: torchrun's or the launcher's; else the first rank serves it. Raises UserError."""
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    if connected:
        return connected[0]
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    serves = global_rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        if not serves:
            wait_for_server(host, port, timeout)
        found = TCPStore(host, port, is_master=serves, multi_tenant=serves, wait_for_workers=False)  # the process group's, too
    except (OSError, RuntimeError) as error:
        what = "another MASTER_PORT is needed, this one can't be served" if serves else "nobody answers"
        raise RendezvousError(f"MASTER_ADDR={host} MASTER_PORT={port}: {what}: {one_line(error)}") from None
    connected.append(PrefixStore(f"gan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", found))
    return connected[0]


def wait_for_server(host: str, port: int, timeout: float) -> None:
    """Wait until somebody does. Raises OSError."""
    until = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def publish(topic: str, word: Any) -> None:
    """This rank's word on a topic."""
    connect_store().set(f"{topic}/{global_rank()}", json.dumps(word))


def all_gather(topic: str, word: Any, timeout: float) -> list[Any]:
    """Every rank's word, to every rank. Raises UserError, naming those who did not come within `timeout` seconds."""
    world = int(os.environ["WORLD_SIZE"])
    keys = [f"{topic}/{i}" for i in range(world)]
    try:
        connect_store(timeout)
        publish(topic, word)
        wait_for_keys(keys, timeout)
        return [json.loads(connect_store().get(key)) for key in keys]
    except (TimeoutError, RuntimeError) as error:
        raise SharedError(describe_missing(keys, timeout, error)) from None


def wait_for_keys(keys: list[str], timeout: float) -> None:
    """Until all are there: asked for now and then, since the store itself complains aloud. Raises TimeoutError."""
    until, pause = time.monotonic() + timeout, 0.05
    while not connect_store().check(keys):
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(pause)
        pause = min(1.2 * pause, 1.0)


def describe_missing(keys: Sequence[str], timeout: float, error: Exception) -> str:
    """Who did not come."""
    try:
        missing = [str(i) for i, key in enumerate(keys) if not connect_store().check([key])]
    except RuntimeError:
        missing = []
    if not missing:
        return f"rank 0 has left: {one_line(error)}"
    one = len(missing) == 1
    who = f"rank {missing[0]} has" if one else f"ranks {', '.join(missing)} have"
    return f"{who} not come within {timeout:g} s; {len(keys)} processes are to train together, all with the same command"


def broadcast_from_rank_zero(topic: str, work: Callable[[], Answer]) -> Answer:
    """What the first rank's `work` finds, to every rank, by way of JSON; alone, just that. What it refuses all refuse."""
    if not is_distributed():
        return work()
    if global_rank() == 0:
        try:
            found = work()
        except BaseException as error:
            lines = error.lines if isinstance(error, UserError) else [f"{type(error).__name__}: {one_line(error)}"]
            connect_store().set(topic, json.dumps({"refused": list(lines)}))
            raise
        connect_store().set(topic, json.dumps({"found": found}))
        return found
    try:
        wait_for_keys([topic], WORK)
        word = json.loads(connect_store().get(topic))
    except (TimeoutError, RuntimeError) as error:
        raise SharedError(f"rank 0 has left: {one_line(error)}") from None
    if "refused" in word:
        raise SharedError(*word["refused"])
    answer: Answer = word["found"]
    return answer


def claim_line(line: str) -> bool:
    """Whether no other rank has said this line."""
    try:
        return connect_store().compare_set(f"said/{line}", "", str(global_rank())) == str(global_rank()).encode()
    except RuntimeError:  # who served the store has left, perhaps for the same reason
        return True
