"""More than one process: who starts them, how they agree to end, and which one is to blame when they don't.

Each rank is a command such as `gan-train run=RUN`, so all read one config. A rank that dies takes the others with it within
seconds. No rank may leave alone, since the others would wait for its gradients for ever: one that wants to end says so, and all
end two steps on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import torch.distributed as dist

from gan_lightning.config.world_size import global_rank

GRACE = 5.0  # seconds that the others have to end by themselves when one has failed


def report_failure(reason: str, own: bool = False) -> None:
    """Leave word of why this rank fails, for who started it; `own`: not because another one did."""
    if folder := os.environ.get("GAN_LIGHTNING_WORD"):
        word = {"at": time.monotonic(), "reason": reason, "own": own}
        Path(folder, f"{global_rank()}").write_text(json.dumps(word), encoding="utf-8")


def launch_ranks(command: Sequence[str], processes: int) -> tuple[int, str | None]:
    """A module of ours and its arguments, in so many processes. Returns the exit code, and what went wrong; None: nothing."""
    with TemporaryDirectory() as word:  # for what failing ranks leave behind
        return start_ranks(command, processes, Path(word))


def start_ranks(command: Sequence[str], processes: int, word: Path) -> tuple[int, str | None]:
    """See `launch_ranks`."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    shared |= {"TORCHELASTIC_RUN_ID": "gan", "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    shared |= {"GROUP_RANK": "0", "GAN_LIGHTNING_WORD": str(word)}
    ranks = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *command],
            env=os.environ | shared | {"RANK": str(i), "LOCAL_RANK": str(i)},
            stdout=subprocess.DEVNULL if i else None,
        )
        for i in range(processes)
    ]

    def forward(number: int, _: FrameType | None) -> None:
        for child in ranks:
            if child.poll() is None:
                child.send_signal(number)

    kept = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
    kept[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all of them
    try:
        return monitor(ranks, word)
    finally:
        for child in ranks:
            child.kill()
            child.wait()
        for number, handler in kept.items():
            signal.signal(number, handler)


def monitor(ranks: list[subprocess.Popen[bytes]], word: Path) -> tuple[int, str | None]:
    """Wait for all of them, or for one that fails, or says that it will, and then not for long."""
    since: float | None = None
    while any(child.poll() is None for child in ranks):
        if since is None:
            since = time.monotonic() if any(map(has_failed, ranks)) or any(word.iterdir()) else None
        elif time.monotonic() - since > GRACE:
            break
        time.sleep(0.05)
    codes = [child.poll() for child in ranks]
    failed = next((i for i, child in enumerate(ranks) if has_failed(child)), None)
    if failed is None and None not in codes:
        return next((code for code in codes if code), 0), None
    told = {int(path.name): json.loads(path.read_text(encoding="utf-8")) for path in word.iterdir() if path.name.isdigit()}
    own = [i for i in told if told[i]["own"]]
    if own:
        first = min(own, key=lambda i: told[i]["at"])
        return ranks[first].returncode or 1, f"rank {first}: {told[first]['reason']}"
    killed = [i for i, code in enumerate(codes) if code is not None and code < 0]
    mute = [i for i, code in enumerate(codes) if code is None and i not in told]
    if killed:
        return 1, "; ".join(f"rank {i} was killed by {signal.Signals(-ranks[i].returncode).name}" for i in killed)
    if mute:
        return 1, "; ".join(f"rank {i} answered no more; the others gave it up" for i in mute)
    if told:
        first = min(told, key=lambda i: told[i]["at"])
        return ranks[first].returncode or 1, f"rank {first}: {told[first]['reason']}"
    assert failed is not None
    return codes[failed] or 1, f"rank {failed} ended with exit code {codes[failed]}"


def has_failed(child: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, and not because a signal told all of them to."""
    return bool(child.returncode) and not 128 < child.returncode < 160
