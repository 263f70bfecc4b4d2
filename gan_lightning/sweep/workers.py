"""The worker processes of joblib's launcher: a signal ends their jobs, saved, before it ends the sweep.

joblib kills its workers and all their descendants as soon as an exception reaches it. So it runs in a thread that no signal
reaches, while the main thread passes the signal on to the workers: each lets its job save its state, and begins no other one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from gan_lightning.distributed import stopping
from gan_lightning.distributed.stopping import Preempted, ending

POLL_SECONDS = 0.2  # between two looks for workers that have been started since


def launch_in_workers(launch: Callable[[], object]) -> None:
    """Call `launch`, which starts workers and waits for them. Raises its exception, or what ends this process, after them."""
    launched: Future[object] = Future()

    def work() -> None:
        try:
            launched.set_result(launch())
        except BaseException as error:
            launched.set_exception(error)

    with stopping.blocked_signals():  # in the thread, and so in the workers, until they run a job
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
    try:
        launched.result()
    except (KeyboardInterrupt, Preempted) as stop:
        number = stop.caught if isinstance(stop, Preempted) else signal.SIGINT
        ending[:] = [number]  # one job at a time needs no workers: this process begins no other
        informed: set[int | None] = set()
        while thread.is_alive():
            for worker in multiprocessing.active_children():
                if worker.pid is not None and worker.pid not in informed:
                    os.kill(worker.pid, number)
                    informed.add(worker.pid)
            thread.join(POLL_SECONDS)
        raise


def run_in_worker(work: Callable[[], None]) -> None:
    """Call `work`, a job, in a worker; a signal ends the job, and is not raised."""
    with suppress(Preempted):
        try:
            for number in stopping.catchable_signals():
                signal.signal(number, stopping.leave)
            stopping.unblock_signals()
            work()
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping.SIGNALS)
