"""The key-value store through which ranks exchange messages before their process group exists.

It is torch's TCPStore at MASTER_ADDR:MASTER_PORT, which the process group uses later. torch's own collectives of Python objects
need that group first, and where its start times out, the missing ranks are not named.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gan_lightning.config.errors import UserError, one_line
from gan_lightning.config.world_size import global_rank, is_distributed

Result = TypeVar("Result")
TIMEOUT = 600.0  # seconds that a rank waits for the others, unless its config sets another limit
WORK_TIMEOUT = 24 * 3600.0  # seconds that the others wait while rank 0 works for all
connected: list[Any] = []  # the store; empty until this rank has connected


class SharedError(UserError):
    """Stop every rank for the same reason; only rank 0 prints it."""


class RendezvousError(UserError):
    """Stop a rank that cannot connect to the others, and so prints the reason itself."""


def connect_store(timeout: float = TIMEOUT) -> Any:
    """Return the store, served by torchrun or by our launcher, otherwise by rank 0.

    Raises RendezvousError if rank 0 can't serve it, or if no server accepts a connection within `timeout` seconds.
    """
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    if connected:
        return connected[0]
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    serves = global_rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        if not serves:
            wait_for_server(host, port, timeout)
        store = TCPStore(host, port, is_master=serves, multi_tenant=serves, wait_for_workers=False)  # the process group's, too
    except (OSError, RuntimeError) as error:
        problem = "another MASTER_PORT is needed, this one can't be served" if serves else "nobody answers"
        raise RendezvousError(f"MASTER_ADDR={host} MASTER_PORT={port}: {problem}: {one_line(error)}") from None
    connected.append(PrefixStore(f"gan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store))
    return connected[0]


def wait_for_server(host: str, port: int, timeout: float) -> None:
    """Wait until a server accepts connections. Raises OSError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def wait_for_keys(keys: list[str], timeout: float) -> None:
    """Wait until the store holds all keys. Raises TimeoutError after `timeout` seconds."""
    deadline, pause = time.monotonic() + timeout, 0.05
    while not connect_store().check(keys):  # polled, because the store's own wait logs an error of its own
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(pause)
        pause = min(1.2 * pause, 1.0)


def publish(topic: str, message: Any) -> None:
    """Store this rank's JSON-serialisable message on a topic."""
    connect_store().set(f"{topic}/{global_rank()}", json.dumps(message))


def all_gather(topic: str, message: Any, timeout: float) -> list[Any]:
    """Publish this rank's message, and return the messages of all ranks, by rank.

    Raises RendezvousError, or SharedError with the ranks that published nothing within `timeout` seconds.
    """
    keys = [f"{topic}/{i}" for i in range(int(os.environ["WORLD_SIZE"]))]
    try:
        connect_store(timeout)
        publish(topic, message)
        wait_for_keys(keys, timeout)
        return [json.loads(connect_store().get(key)) for key in keys]
    except (TimeoutError, RuntimeError) as error:
        raise SharedError(describe_missing(keys, timeout, error)) from None


def describe_missing(keys: Sequence[str], timeout: float, error: Exception) -> str:
    """Return the error line that names the ranks whose keys are missing; without any, the store's server has ended."""
    try:
        missing = [str(i) for i, key in enumerate(keys) if not connect_store().check([key])]
    except RuntimeError:
        missing = []
    if not missing:
        return f"rank 0 has left: {one_line(error)}"
    subject = f"rank {missing[0]} has" if len(missing) == 1 else f"ranks {', '.join(missing)} have"
    return f"{subject} not joined within {timeout:g} s; {len(keys)} processes are to train together, all with the same command"


def broadcast_from_rank_zero(topic: str, work: Callable[[], Result]) -> Result:
    """Run `work` on rank 0 and return its JSON-serialisable result on every rank.

    Raises the error of `work` itself on rank 0, and SharedError with the same lines on the others.
    """
    if not is_distributed():
        return work()
    if global_rank() == 0:
        try:
            result = work()
        except BaseException as error:
            lines = error.lines if isinstance(error, UserError) else [f"{type(error).__name__}: {one_line(error)}"]
            connect_store().set(topic, json.dumps({"errors": list(lines)}))
            raise
        connect_store().set(topic, json.dumps({"result": result}))
        return result
    try:
        wait_for_keys([topic], WORK_TIMEOUT)
        message = json.loads(connect_store().get(topic))
    except (TimeoutError, RuntimeError) as error:
        raise SharedError(f"rank 0 has left: {one_line(error)}") from None
    if "errors" in message:
        raise SharedError(*message["errors"])
    shared: Result = message["result"]
    return shared


def claim_line(line: str) -> bool:
    """Return whether this rank is the first to print a line."""
    try:
        return connect_store().compare_set(f"printed/{line}", "", str(global_rank())) == str(global_rank()).encode()
    except RuntimeError:  # the rank that serves the store has ended, perhaps for the same reason
        return True
