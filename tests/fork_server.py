"""A process that has imported everything once and forks a child for each command: a start costs milliseconds, not seconds.

python fork_server.py LOG, then one request a line: {"line", "folder", "kill_after", "sabotage"} → {"code", "seconds"}. No
thread runs when it forks, so that no lock is left held. `kill_after`: seconds after which SIGKILL ends the child.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from waiting import HANG

IMPORTED = ("cli.train", "cli.resume", "config.preflight", "training.fit", "sweep.execute", "data.digits", "data.ring",
            "model.mlp", "model.resize_convolution", "callback.scores", "callback.samples", "metric.class_accuracy",
            "metric.fid")  # fmt: skip


class ForkServer:
    """The process, as a test holds it."""

    def __init__(self, log):
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.log = Path(log)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | threads | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        )

    def run(self, *line, folder, kill_after=None, sabotage=()):
        """(exit code, negative: the signal that ended it; seconds). `sabotage`: a function of this file and its arguments."""
        request = {"line": [*map(str, line)], "folder": str(folder), "kill_after": kill_after, "sabotage": list(sabotage)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the fork server is gone: {self.log.read_text()[-2000:]}"
        found = json.loads(answer)
        return found["code"], found["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(HANG)


def forget_the_step():
    """Noise that goes on from wherever the generator stands, as in a framework that reseeds nothing."""
    import gan_lightning.gan

    gan_lightning.gan.reseed = lambda value, device: None


def interrupt(number, step, place):
    """Send this process a signal in a step: as it begins, before D's or G's update, or while its state is saved."""
    import gan_lightning.callback.checkpoint
    from gan_lightning.gan import GAN

    owner, name = {
        "start": (GAN, "training_step"),
        "discriminator": (GAN, "update_player"),
        "generator": (GAN, "update_player"),
        "save": (gan_lightning.callback.checkpoint.Checkpoint, "_save"),
    }[place]
    whole = getattr(owner, name)

    def caught(self, *given):
        at = given[0].global_step - 1 if place == "save" else self.global_step
        if at == step - 1 and (name != "update_player" or given[0] == place):
            for _ in range(2 if number == signal.SIGHUP else 1):
                os.kill(os.getpid(), number)
        return whole(self, *given)

    setattr(owner, name, caught)


def forget_and_die(step):
    """The same, and killed as this step begins."""
    forget_the_step()
    interrupt(signal.SIGKILL, step, "start")


def kill_a_worker(step):
    """SIGKILL one of the processes that load data."""
    from gan_lightning.gan import GAN

    whole = GAN.training_step

    def caught(self, *given):
        if self.global_step == step:
            import multiprocessing

            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
            time.sleep(0.2)
        return whole(self, *given)

    GAN.training_step = caught


def lose_output(kind):
    """Leave stdout and stderr as a shell does, or a terminal, or a disk."""
    if kind == "ascii":
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="ascii")
        return
    if kind == "closed":
        os.close(1), os.close(2)
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
        return
    kept, lost = os.openpty() if kind == "terminal gone" else os.pipe()
    if kind == "full disk":
        lost = os.open("/dev/full", os.O_WRONLY)
    if kind == "slow reader":
        os.set_blocking(lost, False)
    else:
        os.close(kept)
    for stream in (1, 2):
        os.dup2(lost, stream)
    with contextlib.suppress(BlockingIOError):
        while kind == "slow reader":
            os.write(lost, bytes(4096))
    if kind == "unbuffered":
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)


def hang_up(step):
    """Close the terminal in a step."""
    lose_output("terminal gone")
    interrupt(signal.SIGHUP, step, "start")


def ignore(number, step):
    """Start as by `nohup`, and send the signal that is ignored."""
    signal.signal(number, signal.SIG_IGN)
    interrupt(number, step, "start")


def set_variables(variables):
    """Leave variables of an earlier shell in the environment, and let Lightning read them as it does while it is imported."""
    from lightning_fabric.utilities import rank_zero

    os.environ.update(variables)
    rank_zero.rank_zero_only.rank = rank_zero._get_rank() or 0


def child(request, log):
    os.chdir(request["folder"])
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    sys.argv = ["gan-train", *request["line"]]
    if request["sabotage"]:
        name, *given = request["sabotage"]
        globals()[name](*given)
    from gan_lightning.cli import train

    try:
        train.main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 70
    return 0


def serve():
    for name in IMPORTED:
        importlib.import_module(f"gan_lightning.{name}")
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread is running"
    with Path(sys.argv[1]).open("a") as log:
        for text in sys.stdin:
            request, began = json.loads(text), time.monotonic()
            pid = os.fork()
            if not pid:
                code = child(request, log)
                log.flush()
                os._exit(code)
            ended, status = os.waitpid(pid, os.WNOHANG)
            while not ended:
                if request["kill_after"] is not None and time.monotonic() - began >= request["kill_after"]:
                    os.kill(pid, signal.SIGKILL)
                    ended, status = os.waitpid(pid, 0)
                else:
                    time.sleep(0.002)
                    ended, status = os.waitpid(pid, os.WNOHANG)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    serve()
