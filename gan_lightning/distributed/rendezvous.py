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

from gan_lightning.config.compose import quoted
from gan_lightning.config.errors import Refused, one_line, refuse
from gan_lightning.config.resolve import Plain, differences, resolved
from gan_lightning.config.world_size import rank, several
from gan_lightning.distributed import slurm

Answer = TypeVar("Answer")
WAIT = 600.0  # seconds for the others to come, where no config says it
WORK = 24 * 3600.0  # seconds that the first rank may work for all


class Common(Refused):
    """What all ranks refuse alike: the first one says it."""


class Unmet(Refused):
    """What a rank says that finds no other."""


def refused(error: Refused, debug: bool = False) -> int:
    """Say it, in one of the ranks where it is true of many. Returns the exit code."""
    if rank() == 0:
        return refuse(error, debug)
    if isinstance(error, Unmet) or (met and not isinstance(error, Common) and claimed("; ".join(error.lines))):
        print(*(f"rank {rank()}, {socket.gethostname()}: {line}" for line in error.lines), sep="\n", file=sys.stderr)
    return error.code


def agreed(compose: Callable[[], DictConfig], work: Callable[[], Answer]) -> Answer:
    """What `work` finds here, if no rank refuses its part and all have the same config. Raises Refused."""
    if not several() and slurm.step() is not None:
        enter(compose())
    if not several():
        return work()
    timeout, word = WAIT, {"host": socket.gethostname()}
    try:
        config = compose()
        enter(config)
        found = work()
        mine = resolved(config)
        timeout = float((mine["trainer"].get("strategy") or {}).get("timeout", WAIT))
        word["config"] = json.dumps(mine)
    except Refused as error:
        word["refused"] = json.dumps(error.lines)
    except Exception as error:
        tell_all("config", word | {"refused": json.dumps([f"{type(error).__name__}: {one_line(error)}"])})
        raise
    words = all_say("config", word, timeout)
    if lines := mistakes(words):
        raise Common(*lines)
    return found


def mistakes(words: Sequence[dict[str, str]]) -> list[str]:
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


def enter(config: DictConfig) -> None:
    """Take the place that srun has given, if the config asks for as many processes; all but the first rank are silent.

    Raises Refused where the config asks for another number than were started.
    """
    from gan_lightning.config.world_size import ranks

    asked = ranks(resolved(config))
    place = slurm.step()
    if "RANK" not in os.environ and place is not None and int(place["WORLD_SIZE"]) == asked:
        os.environ |= place | slurm.master()
    started = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if several() and started != asked:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cure = f"trainer=ddp trainer.devices={here} trainer.num_nodes={max(started // here, 1)}"
        raise Refused(f"trainer.devices: the config asks for {asked} processes, but {started} were started; use {cure}")
    if rank():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends


def directory(find: Callable[[], str]) -> list[str]:
    """The word for Hydra's command line that gives every rank the first one's run directory; alone, none."""
    if not several():
        return []
    path = first_says("directory", lambda: str(Path(find()).absolute()))
    return [f"hydra.run.dir={quoted(path)}"]


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────────────
met: list[Any] = []  # the store, once the ranks have met


def store(timeout: float = WAIT) -> Any:
    """The one at MASTER_ADDR:MASTER_PORT: torchrun's or the launcher's; else the first rank serves it. Raises Refused."""
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    if met:
        return met[0]
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    serves = rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        if not serves:
            answers(host, port, timeout)
        found = TCPStore(host, port, is_master=serves, multi_tenant=serves, wait_for_workers=False)  # the process group's, too
    except (OSError, RuntimeError) as error:
        what = "another MASTER_PORT is needed, this one can't be served" if serves else "nobody answers"
        raise Unmet(f"MASTER_ADDR={host} MASTER_PORT={port}: {what}: {one_line(error)}") from None
    met.append(PrefixStore(f"gan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", found))
    return met[0]


def answers(host: str, port: int, timeout: float) -> None:
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


def tell_all(topic: str, word: Any) -> None:
    """This rank's word on a topic."""
    store().set(f"{topic}/{rank()}", json.dumps(word))


def all_say(topic: str, word: Any, timeout: float) -> list[Any]:
    """Every rank's word, to every rank. Raises Refused, naming those who did not come within `timeout` seconds."""
    world = int(os.environ["WORLD_SIZE"])
    keys = [f"{topic}/{i}" for i in range(world)]
    try:
        store(timeout)
        tell_all(topic, word)
        wait_for(keys, timeout)
        return [json.loads(store().get(key)) for key in keys]
    except (TimeoutError, RuntimeError) as error:
        raise Common(absent(keys, timeout, error)) from None


def wait_for(keys: list[str], timeout: float) -> None:
    """Until all are there: asked for now and then, since the store itself complains aloud. Raises TimeoutError."""
    until, pause = time.monotonic() + timeout, 0.05
    while not store().check(keys):
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(pause)
        pause = min(1.2 * pause, 1.0)


def absent(keys: Sequence[str], timeout: float, error: Exception) -> str:
    """Who did not come."""
    try:
        missing = [str(i) for i, key in enumerate(keys) if not store().check([key])]
    except RuntimeError:
        missing = []
    if not missing:
        return f"rank 0 has left: {one_line(error)}"
    one = len(missing) == 1
    who = f"rank {missing[0]} has" if one else f"ranks {', '.join(missing)} have"
    return f"{who} not come within {timeout:g} s; {len(keys)} processes are to train together, all with the same command"


def first_says(topic: str, work: Callable[[], Answer]) -> Answer:
    """What the first rank's `work` finds, to every rank, by way of JSON; alone, just that. What it refuses all refuse."""
    if not several():
        return work()
    if rank() == 0:
        try:
            found = work()
        except BaseException as error:
            lines = error.lines if isinstance(error, Refused) else [f"{type(error).__name__}: {one_line(error)}"]
            store().set(topic, json.dumps({"refused": list(lines)}))
            raise
        store().set(topic, json.dumps({"found": found}))
        return found
    try:
        wait_for([topic], WORK)
        word = json.loads(store().get(topic))
    except (TimeoutError, RuntimeError) as error:
        raise Common(f"rank 0 has left: {one_line(error)}") from None
    if "refused" in word:
        raise Common(*word["refused"])
    answer: Answer = word["found"]
    return answer


def claimed(line: str) -> bool:
    """Whether no other rank has said this line."""
    try:
        return store().compare_set(f"said/{line}", "", str(rank())) == str(rank()).encode()
    except RuntimeError:  # who served the store has left, perhaps for the same reason
        return True
