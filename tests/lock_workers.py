"""Processes that want a run directory: python lock_workers.py hold|orphan|race|start ARGUMENTS, as JSON.

`hold`: says its pid and keeps the folder. `orphan`: the same, with a child. `race`: forks that
want the same folder at the same moment, some rounds of them. `start`: forks that each begin a run as a command line does, while
the clock stands still.
"""

import json
import multiprocessing
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from waiting import HANG

from gan_lightning.config.errors import UserError
from gan_lightning.run import lock


def without_locks(number):
    """A filesystem that has none, as the kernel says it."""
    import fcntl

    def flock(handle, operation):
        raise OSError(number, os.strerror(number))

    fcntl.flock = flock


def hold(folder, number=None):
    if number:
        without_locks(number)
    with lock.locked(Path(folder)):
        print(os.getpid(), flush=True)
        time.sleep(HANG)


def orphan(folder):
    with lock.locked(Path(folder)):
        if child := os.fork():
            print(os.getpid(), child, flush=True)
        time.sleep(HANG)


def forks(n, action):
    """What n processes answer that begin together: JSON by line."""
    assert "torch" not in sys.modules, "a process with threads may not fork"
    read, write = os.pipe()
    begin, children = multiprocessing.get_context("fork").Barrier(n), []
    for _ in range(n):
        if not (child := os.fork()):
            begin.wait(HANG)
            try:
                answer = action()
            except UserError as refused:
                answer = str(refused)
            os.write(write, (json.dumps(answer) + "\n").encode())
            os._exit(0)
        children.append(child)
    os.close(write)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(read) as answers:
        return [json.loads(line) for line in answers]


def race(folders, n, locked):
    if not locked:
        lock.locked = lambda folder: nullcontext()

    def claim(folder, answered):
        """Who has it keeps it until all know whether they do."""
        try:
            with lock.locked(Path(folder)):
                answered.wait(HANG)
                return True
        except UserError as refused:
            answered.wait(HANG)
            return str(refused)

    found = []
    for folder in folders:
        answered = multiprocessing.get_context("fork").Barrier(n)
        found.append(forks(n, lambda folder=folder, answered=answered: claim(folder, answered)))
    print(json.dumps(found))


def start(n, *lines):
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    import gan_lightning.cli.train  # noqa: F401 - registers short_id
    from gan_lightning.config.compose import Composer
    from gan_lightning.run.directory import Run

    composer = Composer()
    composed = composer.compose([])
    OmegaConf.register_new_resolver("now", lambda pattern: time.strftime(pattern, time.gmtime(0)), replace=True)

    def begin(config):
        folder = str(OmegaConf.select(config, "hydra.run.dir"))
        Run.begin(folder, composed, [])
        return folder

    found = []
    for words in lines:
        config = composer.hydra.compose_config("train", words, RunMode.RUN, with_log_configuration=False)
        HydraConfig.instance().set_config(config)
        found.append(forks(n, lambda config=config: begin(config)))
    print(json.dumps(found))


if __name__ == "__main__":
    {"hold": hold, "orphan": orphan, "race": race, "start": start}[sys.argv[1]](*json.loads(sys.argv[2]))
