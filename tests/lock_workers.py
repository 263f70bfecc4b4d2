"""Processes that want a run directory: python lock_workers.py hold|orphan|race|start ARGUMENTS, as JSON.

`hold`: says its pid and keeps the folder. `orphan`: the same, with a child. `race`: forks that
want the same folder at the same moment, some rounds of them. `start`: forks that each begin a run as a command line does.
"""

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

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
        time.sleep(60)


def orphan(folder):
    with lock.locked(Path(folder)):
        if child := os.fork():
            print(os.getpid(), child, flush=True)
        time.sleep(60)


def forks(n, action):
    """What n processes answer to the same moment: JSON by line."""
    assert "torch" not in sys.modules, "a process with threads may not fork"
    read, write = os.pipe()
    moment = time.monotonic() + 0.2
    children = []
    for i in range(n):
        if not (child := os.fork()):
            time.sleep(max(0, moment - time.monotonic()))
            try:
                answer = action(i)
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

    def claim(i, folder):
        with lock.locked(Path(folder)):
            time.sleep(0.3)
            return True

    print(json.dumps([forks(n, lambda i, folder=folder: claim(i, folder)) for folder in folders]))


def start(n, *lines):
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    import gan_lightning.cli.train  # noqa: F401 - registers short_id
    from gan_lightning.config.compose import Composer
    from gan_lightning.run.directory import Run

    composer = Composer()
    composed = composer.compose([])

    def begin(config):
        folder, now = str(OmegaConf.select(config, "hydra.run.dir")), time.time()
        Run.begin(folder, composed, [])
        return [folder, now]

    found = []
    for words in lines:
        config = composer.hydra.compose_config("train", words, RunMode.RUN, with_log_configuration=False)
        HydraConfig.instance().set_config(config)
        found.append(forks(n, lambda _, config=config: begin(config)))
    print(json.dumps(found))


if __name__ == "__main__":
    {"hold": hold, "orphan": orphan, "race": race, "start": start}[sys.argv[1]](*json.loads(sys.argv[2]))
