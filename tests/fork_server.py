"""A process that has imported the whole package once and forks a child for each command, in milliseconds, not seconds.

`start(module, *line)` returns an object like subprocess.Popen's. The processes that a forked command starts itself, ranks and
the jobs of a sweep, are forked from it, too. Tests of how processes are started, of their environment and of their imports
start real ones. No thread runs when the server forks, so that no lock is left held.
"""

import atexit
import contextlib
import importlib
import io
import json
import multiprocessing
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
import weakref
from functools import cache
from pathlib import Path

from waiting import HANG

LENGTH = 2**20  # bytes of a request at most
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


# ── as a test sees it ────────────────────────────────────────────────────────────────────────────────────────────────────
class ForkServer:
    """The process, as a test holds it."""

    def __init__(self):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": path},
        )
        theirs.close()

    def ask(self, files=(), **request):
        data = json.dumps(request).encode()
        assert len(data) < LENGTH
        socket.send_fds(self.socket, [data], files)
        answer = self.socket.recv(LENGTH)
        assert answer, "the fork server is gone"
        return json.loads(answer)

    def close(self):
        self.socket.close()
        self.process.wait(HANG)


@cache
def server():
    """The one of this process, started when it is first needed."""
    started = ForkServer()
    atexit.register(started.close)
    return started


class Forked:
    """A forked command: what tests use of subprocess.Popen."""

    def __init__(self, pid, files=None):
        self.pid, self.returncode, self.stdout, self.stderr = pid, None, *(files or (None, None))
        self.handle = os.pidfd_open(pid)

    def poll(self):
        if self.returncode is None and select.select([self.handle], [], [], 0)[0]:
            self.returncode = server().ask(reap=self.pid)
            os.close(self.handle)
        return self.returncode

    def wait(self, timeout=HANG):
        if self.returncode is None and not select.select([self.handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.poll()

    def communicate(self, timeout=HANG):
        """What it prints until it and its children have ended: (stdout, stderr)."""
        streams = {stream: "" for stream in (self.stdout, self.stderr) if stream}
        open_ones, limit = [*streams], time.monotonic() + timeout
        while open_ones:
            ready = select.select(open_ones, [], [], max(limit - time.monotonic(), 0))[0]
            if not ready:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            for stream in ready:
                if data := os.read(stream.fileno(), 2**16):
                    streams[stream] += data.decode(errors="replace")
                else:
                    stream.close()
                    open_ones.remove(stream)
        self.wait(timeout)
        return streams.get(self.stdout), streams.get(self.stderr)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def start(module, *line, folder, env=None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, sabotage=()):
    """Start `python -m MODULE …` by a fork; a module with a `main`. `sabotage`: a function of this file and its arguments."""
    ends, kept = [], []
    for stream in (stdout, stderr):
        if stream == subprocess.PIPE:
            reader, writer = os.pipe()
            ends.append(writer)
            kept.append(open(reader, "rb", buffering=0))  # noqa: PTH123, SIM115 - closed at its end
        else:
            ends.append(ends[0] if stream == subprocess.STDOUT else stream.fileno())
            kept.append(None)
    request = {"module": module, "line": [*map(str, line)], "folder": str(folder)}
    pid = server().ask(ends, **request, env=dict(os.environ if env is None else env), sabotage=list(sabotage))
    for stream, end in zip((stdout, stderr), ends, strict=True):
        if stream == subprocess.PIPE:
            os.close(end)
    return Forked(pid, kept)


def train(*line, folder, log, kill_after=None, sabotage=()):
    """(exit code, seconds) of a `gan-train` that is killed after so many seconds; what it prints is added to a file."""
    began = time.monotonic()
    with log.open("ab") as file:
        process = start("gan_lightning.cli.train", *line, folder=folder, stdout=file, stderr=file, sabotage=sabotage)
    try:
        process.wait(HANG if kill_after is None else kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait(), time.monotonic() - began


# ── sabotage ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
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
            for _ in range(2 if number == signal.SIGHUP else 1):  # from the kernel, and from the shell
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
    open_streams()
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


# ── the process itself ───────────────────────────────────────────────────────────────────────────────────────────────────
class ForkedPython:
    """subprocess.Popen for `python … -m MODULE …`, by a fork of this process: how the launcher starts ranks here."""

    def __init__(self, words, *, env, stdout=None):
        assert words[0] == sys.executable
        self.returncode = None
        self.pid = os.fork()
        if not self.pid:
            if stdout == subprocess.DEVNULL:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            module, *line = words[words.index("-m") + 1 :]
            become(env)
            Path("/proc/self/comm").write_text(
                f"rank {env.get('RANK')}"
            )  # its environment as the kernel shows it is the server's
            leave(run_module(module, line))

    def poll(self):
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self):
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def fork_children():
    """Let the launcher of ranks, and sweeps and searches, fork this process instead of starting another interpreter."""
    from types import SimpleNamespace

    from gan_lightning.distributed import launcher
    from gan_lightning.sweep import job

    launcher.subprocess = SimpleNamespace(Popen=ForkedPython, DEVNULL=subprocess.DEVNULL)
    fork, current = multiprocessing.get_context("fork"), multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: fork if method == "forkserver" else current(method)
    assert job.multiprocessing is multiprocessing


def become(env):
    """Take on the environment and the signals of a new interpreter."""
    weakref.finalize._registry.clear()  # the temporary folders of the process that was forked are not this one's
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder and folder not in sys.path]
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run_module(module, line):
    """Run a command of this package as the main program, and return its exit code."""
    command = importlib.import_module(module)
    sys.argv = [command.__file__, *line]
    try:
        command.main()
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def leave(code):
    """End a forked process as an interpreter ends."""
    for stop in (atexit._run_exitfuncs, *(stream.flush for stream in (sys.stdout, sys.stderr) if stream)):
        try:
            stop()
        except (OSError, ValueError):  # nobody reads any more
            code = code or 120
    os._exit(code)


def open_streams():
    """Give this process what a new interpreter writes to: a buffered stdout, and stderr."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=name == "stderr"))
        setattr(sys, f"__{name}__", getattr(sys, name))


def run_child(request, ends):
    for stream, end in zip((1, 2), ends, strict=True):
        os.dup2(end, stream)
    for end in ends:
        os.close(end)
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
    open_streams()
    os.chdir(request["folder"])
    become(request["env"])
    fork_children()
    if request["sabotage"]:
        name, *given = request["sabotage"]
        globals()[name](*given)
    leave(run_module(request["module"], request["line"]))


def import_everything():
    import gan_lightning

    ours = [module.name for module in pkgutil.walk_packages(gan_lightning.__path__, "gan_lightning.")]
    for name in ("torch.utils.tensorboard", "sklearn.datasets", "matplotlib.figure", *ours):
        importlib.import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread is running"


def serve(connection):
    import_everything()
    while True:
        data, ends, _, _ = socket.recv_fds(connection, LENGTH, 2)
        if not data:
            return
        request = json.loads(data)
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                connection.close()
                run_child(request, ends)
            for end in ends:
                os.close(end)
        connection.send(json.dumps(answer).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
