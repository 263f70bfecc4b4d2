"""Processes that die while they save: python crash_workers.py crash|trace CASES writes step 2, or result.json.

`crash`: for each folder and each of five points a fork, made while there is one thread only, kills itself at that point.
`trace`: three saves for strace to look at, the second without the file's fsync, the third without the folder's.
"""

import io
import json
import os
import pathlib
import signal
import sys
import types
from pathlib import Path

POINTS = ("before the file", "half-way", "before its fsync", "before the replace", "before the folder's fsync")
HALF = 1000  # bytes; result.json has more


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


class Half(io.BufferedWriter):
    """Dies when so many bytes are in the file."""

    def write(self, data):
        room = HALF - self.tell()
        if room < len(data):
            super().write(bytes(data)[:room])
            self.flush()
            die()
        return super().write(data)


def arm(point):
    """Let this process die at a point."""
    fsync, calls = os.fsync, []

    def counted(handle, last):
        calls.append(handle)
        return die() if len(calls) == last else fsync(handle)

    if point == POINTS[0]:
        pathlib.Path.open = die
    elif point == POINTS[1]:
        pathlib.Path.open = lambda self, mode: Half(io.FileIO(self, "w"))
    elif point == POINTS[3]:
        os.replace = die
    else:
        os.fsync = lambda handle: counted(handle, 1 if point == POINTS[2] else 2)


def checkpoint(step):
    import torch

    return {"state_dict": {"weight": torch.full((500,), float(step))}, "global_step": step}


def durable(step, folder):
    from gan_lightning.storage.checkpoint_io import DurableCheckpointIO

    DurableCheckpointIO().save_checkpoint(checkpoint(step), folder / "checkpoints" / f"step={step:08d}.ckpt")


def naive(step, folder):
    """As one would do it: the negative control."""
    import torch

    with (folder / "checkpoints" / f"step={step:08d}.ckpt").open("wb") as file:
        torch.save(checkpoint(step), file)
        file.flush()
        os.fsync(file.fileno())


def result(step, folder):
    from gan_lightning.storage.atomic import write_text

    write_text(folder / "result.json", json.dumps({"step": step, "padding": "x" * 2 * HALF}))


WRITERS = {"durable": durable, "naive": naive, "result": result}


def crash(cases):
    """Each case: writer, point, folder, TMPDIR. Prints how each of them ended."""
    durable(0, Path(cases[0][2]).parent / "warm up")
    threads = int(Path("/proc/self/status").read_text().split("Threads:")[1].split()[0])
    assert threads == 1, f"{threads} threads: a fork may hang"
    ended = []
    for writer, point, folder, temporary in cases:
        if not (child := os.fork()):
            os.environ["TMPDIR"] = temporary
            arm(point)
            WRITERS[writer](2, Path(folder))
            os._exit(0)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps(ended))


def trace(folders):
    fsync = os.fsync
    durable(0, Path(folders[0]).parent / "warm up")
    for folder, skipped in zip(folders, (None, 1, 2), strict=True):
        calls = []

        def some(handle, calls=calls, skipped=skipped):
            calls.append(handle)
            if len(calls) != skipped:
                fsync(handle)

        os.fsync = some
        durable(2, Path(folder))
        os.fsync = fsync


if __name__ == "__main__":
    base = types.ModuleType("lightning_fabric.plugins.io.checkpoint_io")  # an abstract class that takes seconds to import
    base.CheckpointIO = object
    sys.modules[base.__name__] = base
    {"crash": crash, "trace": trace}[sys.argv[1]](json.loads(sys.argv[2]))
