"""More than one process: who starts them, how they agree to end, and which one is to blame when they don't.

Each rank is a command such as `gan-train run=RUN`, so all read one config. A rank that dies takes the others with it within
seconds. No rank may leave alone, since the others would wait for its gradients for ever: one that wants to end says so, and all
end two steps on.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch.distributed as dist
from torch.distributed import distributed_c10d

from gan_lightning.distributed.slurm import requeue

AHEAD = 2  # steps: no rank is further ahead of another than one, since they share their gradients


class Agreement:
    """What the ranks tell one another beside their gradients."""

    def __init__(self) -> None:
        shared = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self.store = distributed_c10d.PrefixStore("gan", distributed_c10d._get_default_store()) if shared else None

    def reached(self, step: int, wish: dict[str, Any] | None) -> dict[str, Any] | None:
        """What this rank, or one before it, wished to end for, at the step where all of them end."""
        if self.store is None:
            return wish
        if wish is not None:
            self.store.compare_set("end", "", json.dumps({"at": step + AHEAD} | wish))
        if not self.store.check(["end"]):
            return None
        end: dict[str, Any] = json.loads(self.store.get("end"))
        return end if step >= end["at"] else None


WATCHED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class TakenAway(SystemExit):
    """A signal that came before there was anything to save."""

    def __init__(self, caught: signal.Signals) -> None:
        super().__init__(128 + caught)
        self.caught = caught


@contextmanager
def heeded() -> Iterator[None]:
    """From the first moment on no signal kills this process unheard; training has a gentler way of its own."""

    def leave(number: int, _: FrameType | None) -> None:
        raise TakenAway(signal.Signals(number))

    kept = {number: signal.signal(number, leave) for number in WATCHED}
    try:
        yield
    except TakenAway as away:
        if os.environ.get("RANK", "0") == "0" and (queued := requeue(away.caught)):
            print(f"job {queued} is queued again")
        raise
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
