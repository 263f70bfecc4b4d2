"""The rank processes of one machine: start them, forward signals to them, end them together, and name the first that failed.

Every rank runs a command such as `gan-train run=RUN`, so that all of them read one config. torch elastic's `start_processes` is
not used, because the launcher must name the first failing rank and ranks that no longer respond, and must leave the others a
grace period in which to save.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import torch.distributed as dist

from gan_lightning.config.world_size import global_rank
from gan_lightning.distributed.environment import REPORTS
from gan_lightning.distributed.process import import_variables
from gan_lightning.distributed.stopping import blocked_signals, catchable_signals, ending

GRACE = 5.0  # seconds that the other ranks have to save and exit after one has failed


def report_failure(reason: str, root_cause: bool = False) -> None:
    """Report to the launcher why this rank fails; `root_cause`: not only because another rank has failed."""
    if folder := os.environ.get(REPORTS):
        report = {"time": time.monotonic(), "reason": reason, "root_cause": root_cause}
        Path(folder, f"{global_rank()}").write_text(json.dumps(report), encoding="utf-8")


def launch_ranks(command: Sequence[str], processes: int) -> tuple[int, str | None]:
    """Run `command`, a module and its arguments, in so many ranks; return the exit code and what failed, or None."""
    with TemporaryDirectory() as reports:
        return start_ranks(command, processes, Path(reports))


def start_ranks(command: Sequence[str], processes: int, reports: Path) -> tuple[int, str | None]:
    """Start the ranks beside a store on a free port, and monitor them; those still running at the end are killed."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    shared |= {"TORCHELASTIC_RUN_ID": "gan", "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    shared |= {"GROUP_RANK": "0", REPORTS: str(reports)}
    ranks: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        try:
            with blocked_signals():  # in the ranks, too, until each of them has installed its handlers
                for i in range(processes):
                    environment = os.environ | import_variables() | shared | {"RANK": str(i), "LOCAL_RANK": str(i)}
                    words, stdout = [sys.executable, "-P", "-m", *command], subprocess.DEVNULL if i else None
                    ranks.append(subprocess.Popen(words, env=environment, stdout=stdout))  # noqa: S603
                stack.enter_context(forward_signals(ranks))
            return monitor(ranks, reports)
        finally:
            for rank in ranks:
                rank.kill()
                rank.wait()


@contextmanager
def forward_signals(ranks: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Forward every signal that would end this process to the running ranks inside this block, and ignore SIGINT."""

    def forward(number: int, _: FrameType | None) -> None:
        ending[:] = ending or [signal.Signals(number)]
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(number)

    previous = {n: signal.signal(n, forward) for n in catchable_signals()}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the ranks too
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def monitor(ranks: Sequence[subprocess.Popen[bytes]], reports: Path) -> tuple[int, str | None]:
    """Wait until all ranks have ended, or GRACE seconds after the first failure or report; return exit code and what failed."""
    failed_at: float | None = None
    while any(rank.poll() is None for rank in ranks):
        if failed_at is None:
            failed_at = time.monotonic() if any(map(has_failed, ranks)) or any(reports.iterdir()) else None
        elif time.monotonic() - failed_at > GRACE:
            break
        time.sleep(0.05)
    return diagnose(ranks, reports)


def diagnose(ranks: Sequence[subprocess.Popen[bytes]], reports: Path) -> tuple[int, str | None]:
    """Return the exit code, and which rank failed and why; None if none did.

    Names in this order the first root cause, killed ranks, ranks that no longer respond, the first report, an exit code. Ranks
    that a forwarded signal ended have not failed.
    """
    codes = [rank.poll() for rank in ranks]
    failed = next((i for i, rank in enumerate(ranks) if has_failed(rank)), None)
    if failed is None and None not in codes:
        return next((code for code in codes if code), 0), None
    failures = {
        int(path.name): json.loads(path.read_text(encoding="utf-8")) for path in reports.iterdir() if path.name.isdigit()
    }
    causes = [i for i, failure in failures.items() if failure["root_cause"]]
    if ending and not causes and any(code in (-ending[0], 128 + ending[0]) for code in codes):
        return 128 + ending[0], None
    killed = {i: code for i, code in enumerate(codes) if code is not None and code < 0}
    silent = [i for i, code in enumerate(codes) if code is None and i not in failures]
    if killed and not causes:
        return 1, "; ".join(f"rank {i} was killed by {signal.Signals(-code).name}" for i, code in killed.items())
    if silent and not causes:
        return 1, "; ".join(f"rank {i} answered no more; the others gave it up" for i in silent)
    if failures:
        first = min(causes or failures, key=lambda i: failures[i]["time"])
        return codes[first] or 1, f"rank {first}: {failures[first]['reason']}"
    assert failed is not None
    return codes[failed] or 1, f"rank {failed} ended with exit code {codes[failed]}"


def has_failed(rank: subprocess.Popen[bytes]) -> bool:
    """Return whether the rank has ended with an error; 128 + a signal's number is the regular end on that signal."""
    return bool(rank.returncode) and not 128 < rank.returncode < 160
