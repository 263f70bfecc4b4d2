"""Several processes train one GAN: they resume exactly, end together, and say which of them failed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import ddp_worker
import fork_server
import held
import pytest
import torch
from kinds import kinds
from safetensors.torch import load_file
from tiny_gan import equal
from waiting import HANG, until

from gan_lightning.distributed.launcher import monitor

LINE = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "checkpoint.every_n_steps=5",
    "callback.scores.every_n_steps=10",
    "metric=class_accuracy",
    "metric.class_accuracy.num_samples=200",
)
MYLAB = f'''
import datetime, time, torch
{held.CLASS}

class Hasty(Held):
    """And the first rank does not wait long for it, once the test says so."""

    def update(self, real_logits):
        super().update(real_logits)
        if self.seen == self.step and os.environ["RANK"] == "0":
            while not pathlib.Path("hurry").exists():
                time.sleep(0.02)
            torch.distributed.distributed_c10d._set_pg_timeout(datetime.timedelta(seconds=1))


class Raising(Augmentation):
    """A mistake that only one rank makes, and not at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def update(self, real_logits):
        self.seen += 1
        if os.environ["RANK"] == "1" and self.seen == 4:
            pathlib.Path("raised").touch()
            raise ArithmeticError("a mistake of rank 1")
'''


def result(run):
    return json.loads((run / "result.json").read_text())


def state(run, step):
    return torch.load(run / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


class Together:
    """A `gan-train` of two processes in a folder of its own; `by`: what starts it."""

    def __init__(self, folder, *line, name="errors.txt", by=(), module=False, **more):
        (folder / "mylab.py").write_text(MYLAB)
        (folder / "conf" / "augmentation").mkdir(parents=True, exist_ok=True)
        (folder / "conf" / "augmentation" / "raising.yaml").write_text("_target_: mylab.Raising\n")
        for kind in ("Held", "Hasty"):
            (folder / "conf" / "augmentation" / f"{kind.lower()}.yaml").write_text(held.node(folder / "held", kind))
        line = [*line, *([] if line[0].startswith("run=") else ["--config-dir", "conf"])]
        self.folder, self.errors, around = folder, folder / name, environment(folder, **more)
        with self.errors.open("w") as errors:
            if by:
                words = [*by, *([] if module else [sys.executable]), "-m", "gan_lightning.cli.train", *line]
                self.process = subprocess.Popen(words, cwd=folder, env=around, stdout=subprocess.PIPE, stderr=errors, text=True)
            else:
                self.process = fork_server.start("gan_lightning.cli.train", *line, folder=folder, env=around, stderr=errors)

    def ranks(self):
        """Rank → pid: a forked one has it in its name, one that others start in its environment."""
        pids = [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]
        if isinstance(self.process, fork_server.Forked):
            names = {pid: Path(f"/proc/{pid}/comm").read_text().split() for pid in pids}
            return {int(name[1]): pid for pid, name in names.items() if name[0] == "rank"}
        environments = {pid: Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in pids}
        return {int(word[5:]): pid for pid, words in environments.items() for word in words if word.startswith(b"RANK=")}

    def until(self, path):
        """Wait until a file is there."""
        until((self.folder / path).exists, self.process, lambda: self.errors.read_text()[-2000:])
        return self

    def end(self):
        """(exit code, what it said, what it complained of)."""
        out, _ = self.process.communicate(timeout=HANG)
        return self.process.returncode, out, self.errors.read_text()


def gone(pids):
    return not any(
        Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" for pid in pids
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = fork_server.start("gan_lightning.cli.train", *LINE, "trainer.max_steps=20", "hydra.run.dir=run", folder=folder)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return folder / "run"


@pytest.fixture
def inherited(monkeypatch):
    """Set the environment of the ranks that this process starts."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_two_processes_that_were_killed_go_on_bit_for_bit(whole, tmp_path, command, monkeypatch):
    line = (*LINE, "augmentation=held", "augmentation.step=12", "trainer.max_steps=20", "hydra.run.dir=run")
    going = Together(tmp_path, *line).until("held")
    pids = [*going.ranks().values(), going.process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert going.end()[0] == -9
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.syspath_prepend(tmp_path)
    done = command("gan-train", "run=run")
    assert done.code == 0, done.err
    assert "going on from step 10" in done.out
    one, other = state(tmp_path / "run", 20), state(whole, 20)
    assert all(equal(one[part], other[part]) for part in ("state_dict", "optimizer_states", "global_step", "callbacks"))
    assert result(tmp_path / "run")["metrics"] == result(whole)["metrics"]


def test_on_another_number_of_processes_the_same_samples(whole, tmp_path, command):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for path in (*whole.glob("*.*"), whole / "checkpoints" / "step=00000010.ckpt"):
        (tmp_path / "run" / path.relative_to(whole)).write_bytes(path.read_bytes())
    record = result(whole) | {"status": "running", "step": 0}
    (tmp_path / "run" / "result.json").write_text(json.dumps(record))
    done = command("gan-train", "run=run", "trainer.devices=1")
    assert done.code == 0, done.err
    assert "1 processes in place of 2: the same samples in each step" in done.out
    assert "not bit for bit" in done.out
    assert "data.batch_size: 16 → 32" in done.out
    one, other = state(tmp_path / "run", 20), state(whole, 20)
    assert one["global_step"] == other["global_step"]


def test_a_step_of_two_processes_again(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    process = fork_server.start("gan_lightning.cli.replay", "run=run", "step=20", folder=tmp_path)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert "step 20, from the checkpoint of step 15\n" in printed
    told = json.loads((tmp_path / "run" / "replay" / "step=00000020" / "terms.json").read_text())
    assert told["logged"] == told["terms"]
    assert printed.count("as logged") == len(told["terms"]) > 6


@pytest.mark.slow
def test_a_step_of_two_processes_has_the_samples_of_one(tmp_path, command, inherited):
    """As it was logged, and of the samples that one process alone has, in its order."""
    line = (*LINE[:-2], "metric=none", "trainer.max_steps=8", "gan.d_steps_per_g_step=2", "callback.scalars.every_n_steps=1")
    for name, more in (("two", ()), ("one", ("trainer.devices=1", "data.batch_size=32"))):
        assert command("gan-train", *line, *more, f"hydra.run.dir={name}").code == 0
    done = command("gan-replay", "run=two", "step=7", "out=seen")
    assert done.code == 0, done.err
    assert done.out.startswith("step 7, from the checkpoint of step 5\n")
    told = json.loads((tmp_path / "seen" / "terms.json").read_text())
    assert told["logged"] == told["terms"]
    assert done.out.count("as logged") == len(told["terms"]) > 6
    assert command("gan-replay", "run=one", "step=7", "out=alone").code == 0
    both, alone = (load_file(tmp_path / folder / "step.safetensors") for folder in ("seen", "alone"))
    assert both["real"].shape == (64, 1, 8, 8)
    assert all(torch.equal(both[name], alone[name]) for name in ("real", "condition"))
    assert largest(both, alone) <= 1e-4
    pictures = [(tmp_path / folder / "real.png").read_bytes() for folder in ("seen", "alone")]
    assert pictures[0] == pictures[1]


@pytest.mark.slow
def test_a_step_of_two_processes_that_is_another(whole, tmp_path, command, inherited):
    """The negative control, and what can't be."""
    (tmp_path / "run").mkdir()
    for path in whole.glob("*.*"):
        (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("\nseed: 0\n", "\nseed: 1\n"))
    done = command("gan-replay", "run=run", "step=1")
    assert (done.code, done.err) == (1, "")
    assert done.out.count("DIFFERS") >= 6
    done = command("gan-replay", "run=run", "step=21")
    assert (done.code, done.err) == (2, "step=21: this run goes from step 1 to 20\n")
    (tmp_path / "run" / "config.yaml").write_text(config.read_text().replace("accelerator: cpu", "accelerator: gpu"))
    if not torch.cuda.is_available():
        done = command("gan-replay", "run=run", "step=1")
        said = "run=run: 2 processes trained it, each on a GPU of its own; this machine has 0\n"
        assert (done.code, done.err) == (2, said)


def test_a_killed_rank_takes_the_others_with_it(tmp_path, promised):
    going = Together(tmp_path, *LINE, "augmentation=held", "trainer.max_steps=8", "hydra.run.dir=run")
    pids = going.until("held").ranks()
    with promised(10):
        os.kill(pids[1], signal.SIGKILL)
        code, _, errors = going.end()
    assert gone(pids.values())
    assert code == 1
    assert errors.splitlines()[-1] == "run=run: rank 1 was killed by SIGKILL"
    assert (result(tmp_path / "run")["status"], result(tmp_path / "run")["reason"]) == (
        "failed",
        "rank 1 was killed by SIGKILL",
    )


@pytest.mark.parametrize(
    ("kind", "timeout"), [("hasty", 600), pytest.param("held", 30, marks=pytest.mark.slow)], ids=["shortened", "as configured"]
)
def test_a_rank_that_hangs_is_named_within_the_timeout(tmp_path, promised, kind, timeout):
    """The timeout holds from the first step on, and a machine may be slower than a short one: it is shortened in the sixth."""
    line = (f"augmentation={kind}", "trainer.max_steps=8", f"trainer.strategy.timeout={timeout}", "hydra.run.dir=run")
    going = Together(tmp_path, *LINE, *line)
    pids = going.until("held").ranks()
    with promised(timeout + 5 + 10):
        os.kill(pids[1], signal.SIGSTOP)
        (tmp_path / "hurry").touch()
        code, _, errors = going.end()
    assert gone(pids.values())
    assert (code, errors.splitlines()[-1]) == (1, "run=run: rank 1 answered no more; the others gave it up")


@pytest.mark.slow
def test_a_rank_that_raises_is_named_with_its_error(tmp_path, promised):
    going = Together(tmp_path, *LINE, "augmentation=raising", "trainer.max_steps=400", "hydra.run.dir=run").until("raised")
    with promised(10):
        code, _, errors = going.end()
    assert code == 1
    assert errors.splitlines()[-1] == "run=run: rank 1: ArithmeticError: a mistake of rank 1"
    assert result(tmp_path / "run")["status"] == "failed"


@pytest.mark.parametrize("root_cause", [True, False])
def test_a_rank_that_has_said_why_is_not_waited_for(tmp_path, monkeypatch, root_cause):
    """Python may take its time to end, and the others to notice."""
    monkeypatch.setattr("gan_lightning.distributed.launcher.GRACE", 0.2)
    (tmp_path / "1").write_text(json.dumps({"time": 1.0, "reason": "ArithmeticError: a mistake", "root_cause": root_cause}))
    ranks = [subprocess.Popen(["sh", "-c", words]) for words in ("exit 1", "exec sleep 600")]
    try:
        ranks[0].wait()
        assert monitor(ranks, tmp_path) == (1, "rank 1: ArithmeticError: a mistake")
    finally:
        ranks[1].kill()
        ranks[1].wait()


@pytest.mark.parametrize("to", [pytest.param("all", marks=pytest.mark.slow), "rank 1"])
def test_a_signal_ends_all_ranks_at_one_step(tmp_path, to):
    going = Together(tmp_path, *LINE, "augmentation=held", "trainer.max_steps=20", "hydra.run.dir=run").until("held")
    os.kill(going.process.pid if to == "all" else going.ranks()[1], signal.SIGHUP)
    code, _, errors = going.end()
    assert code == 129, errors[-2000:]
    found = result(tmp_path / "run")
    assert (found["status"], found["reason"]) == ("preempted", "SIGHUP")
    assert max(int(p.stem[5:]) for p in (tmp_path / "run" / "checkpoints").glob("*.ckpt")) == found["step"]


def test_a_mistake_of_its_own_is_told_of_a_rank_that_others_wait_for(tmp_path, monkeypatch):
    """As when the first rank can't save its last step."""
    monkeypatch.setattr("gan_lightning.distributed.launcher.GRACE", 0.2)
    (tmp_path / "0").write_text(json.dumps({"time": 1.0, "reason": "step 20 could not be saved", "root_cause": True}))
    ranks = [subprocess.Popen(["sh", "-c", words]) for words in ("exit 74", "exec sleep 600")]
    try:
        ranks[0].wait()
        assert monitor(ranks, tmp_path) == (74, "rank 0: step 20 could not be saved")
    finally:
        ranks[1].kill()
        ranks[1].wait()


# ── the game of one ──────────────────────────────────────────────────────────────────────────────────────────────────────
def environment(folder, **more):
    """Of a process that is started by hand."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    path = os.pathsep.join([str(folder), *sys.path])
    return os.environ | threads | {"GAN_LIGHTNING_PACKAGES": "mylab", "PYTHONPATH": path} | more


def place(i, port, world=2, **more):
    """What torchrun or srun tell rank i of two machines, each with one process."""
    words = {"RANK": i, "LOCAL_RANK": 0, "GROUP_RANK": i, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": port}
    return {name: str(value) for name, value in words.items()} | {"MASTER_ADDR": "127.0.0.1"} | more


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Every game of ddp_worker.py as two ranks have played it: name → (rank 0's diary, rank 1's)."""
    folder, port = tmp_path_factory.mktemp("played"), free_port()
    ranks = []
    for i in range(2):
        around = environment(folder, **place(i, port, LOCAL_RANK=str(i), GROUP_RANK="0", LOCAL_WORLD_SIZE="2"))
        with (folder / f"{i}.txt").open("w") as log:
            ranks.append(fork_server.start("ddp_worker", folder, folder=folder, env=around, stdout=log, stderr=log))
    assert [rank.wait(HANG) for rank in ranks] == [0, 0], (folder / "0.txt").read_text()[-2000:]
    both = [torch.load(folder / f"{i}.pt") for i in range(2)]
    return {name: (both[0][name], both[1][name]) for name in ddp_worker.GAMES}


def largest(one, other):
    """The largest difference of two dictionaries of tensors."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def rows(*batches):
    return sorted(map(tuple, torch.cat(batches).flatten(1).tolist()))


CONTROLS = ("each by its own", "noise beside z", "style")


@pytest.mark.parametrize("name", [name for name in ddp_worker.GAMES if name not in CONTROLS])
def test_two_ranks_have_the_gradients_of_one_process(played, name):
    for alone, first, second in zip(ddp_worker.play(name), *played[name], strict=True):
        rounding = 5e-6 if name == "normalised by class" else 1e-6  # SAGAN's networks have many layers
        assert largest(first["gradients"], alone["gradients"]) <= rounding
        assert largest(first["state"], alone["state"]) <= rounding
        assert max(float(x.abs().max()) for x in first["gradients"].values()) > 1e-2
        assert equal(first["state"], second["state"])


@pytest.mark.parametrize("name", ddp_worker.GAMES)
def test_two_ranks_share_the_samples_of_one_process(played, name):
    for alone, first, second in zip(ddp_worker.play(name), *played[name], strict=True):
        assert rows(first["real"], second["real"]) == rows(alone["real"])


@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_not_that_of_one_process_is_seen(played, name):
    """The negative controls: statistics of each rank's own batch, and noise that each rank draws by itself."""
    alone, (first, _) = ddp_worker.play(name), played[name]
    assert largest(first[0]["gradients"], alone[0]["gradients"]) > 1e-3


def without_mean_of_w(state):
    """The state but for w_mean, which is each rank's own: only truncation reads it, and checkpoints have that of rank 0."""
    return {name: value for name, value in state.items() if not name.endswith("w_mean")}


def test_stylegan2_with_ada_and_path_length_is_equal_on_both_ranks(played):
    """Weights, the strength of the augmentation and the running means, though each rank draws its own noise."""
    ranks = [[without_mean_of_w(step["state"]) for step in steps] for steps in played["style"]]
    states = [first for first, second in zip(*ranks, strict=True) if equal(first, second)]
    assert len(states) == ddp_worker.STEPS
    for name in ("augmentation.p", "regularizers.path_length.mean_length.value"):
        assert not torch.equal(states[0][name], states[-1][name])
    assert 0 < states[-1]["augmentation.p"] < 1


# ── started from outside ─────────────────────────────────────────────────────────────────────────────────────────────────
SMALL = ("model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "checkpoint.every_n_steps=5", "metric=none")
SHORT = (*LINE[:-2], "trainer.devices=1", "trainer.num_nodes=2", "trainer.max_steps=5", "metric=none")


def by_hand(folder, line, port, i, **more):
    return Together(folder, *line, name=f"errors{i}.txt", **place(i, port, **more))


def test_ranks_whose_configs_differ_are_refused(tmp_path):
    port = free_port()
    ranks = [by_hand(tmp_path, (*SHORT, f"seed={i}"), port, i) for i in range(2)]
    (code, out, errors), other = (rank.end() for rank in ranks)
    assert (code, out, errors) == (2, "", f"rank 1, {socket.gethostname()}: has another config than rank 0: seed: 0 → 1\n")
    assert other == (2, "", "")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_what_one_rank_refuses_all_refuse(tmp_path):
    port = free_port()
    ranks = [by_hand(tmp_path, (*SHORT, *more), port, i) for i, more in enumerate([(), ("optimizer.lr=-1",)])]
    (code, out, errors), other = (rank.end() for rank in ranks)
    assert (code, out, other) == (2, "", (2, "", ""))
    assert errors.startswith(f"rank 1, {socket.gethostname()}: optimizer.lr: ")
    assert errors.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("i", range(2))
def test_a_rank_that_comes_alone_does_not_wait_for_ever(tmp_path, i):
    code, _, errors = by_hand(tmp_path, (*SHORT, "trainer.strategy.timeout=3"), free_port(), i).end()
    assert code == 2
    said = ["rank 1 has not joined within 3 s; 2 processes are to train together", ": nobody answers: "][i]
    assert said in errors
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_another_number_of_processes_than_were_started(tmp_path):
    port = free_port()
    line = ("experiment=digits_fast", "trainer.accelerator=cpu", "trainer.max_steps=5")
    (code, _, errors), other = (rank.end() for rank in [by_hand(tmp_path, line, port, i) for i in range(2)])
    assert (code, other[0]) == (2, 2)
    cure = "use trainer=ddp trainer.devices=1 trainer.num_nodes=2"
    assert errors == f"trainer.devices: the config asks for 1 processes, but 2 were started; {cure}\n"


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="needs root and util-linux")
def test_a_run_directory_that_only_one_machine_sees(tmp_path):
    port, runs = free_port(), tmp_path / "runs"
    runs.mkdir()
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {runs} && exec "$@"', "sh")
    ranks = [by_hand(tmp_path, SHORT, port, 0), Together(tmp_path, *SHORT, name="errors1.txt", by=hidden, **place(1, port))]
    (code, _, errors), other = (rank.end() for rank in ranks)
    assert (code, other[0]) == (2, 2)
    assert f"can't be seen by rank 1 on {socket.gethostname()}; hydra.run.dir= on a filesystem that all share" in errors
    assert errors.count("\n") == 1


# ── two machines, as two network namespaces ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def machines():
    """Two network namespaces and a cable between them."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs Debian's iproute2, and root")
    names, own = [f"gan{os.getpid()}{x}" for x in "ab"], []
    commands = [f"netns add {name}" for name in names]
    commands += [f"link add eth0 netns {names[0]} type veth peer name eth0 netns {names[1]}"]
    commands += [f"-n {name} addr add 10.77.0.{i}/24 dev eth0" for i, name in enumerate(names, 1)]
    commands += [f"-n {name} link set {device} up" for name in names for device in ("lo", "eth0")]
    try:
        for words in commands:
            done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespaces here: ip {words}: {done.stderr.strip()}")
        for name in names:
            own.append(Path("/etc/netns") / name)
            own[-1].mkdir(parents=True)
            (own[-1] / "hosts").write_text("127.0.0.1 localhost\n10.77.0.1 one\n10.77.0.2 two\n")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        for folder in own:
            shutil.rmtree(folder)


def torchrun(folder, machines, i, *line):
    """`torchrun` on machine i of the two, as docs/processes.md has it."""
    words = [word.replace("$HEAD", "10.77.0.1") for word in ddp_worker.written("torchrun --nnodes")]
    at = words.index("-m")
    options = [*words[1:at], f"--rdzv-conf=is_host={i == 0}", f"--local-addr=10.77.0.{i + 1}"]
    by = ("ip", "netns", "exec", machines[i], sys.executable, "-m", "torch.distributed.run", *options)
    line = line if line[0].startswith("run=") else (*words[at + 2 :], *line)
    return Together(folder, *line, name=f"errors{i}.txt", by=by, module=True, GLOO_SOCKET_IFNAME="eth0")


@pytest.mark.slow
def test_two_machines_by_torchrun_train_one_run(machines, tmp_path, promised):
    """And a rank that is killed on one of them ends it on both."""
    line, run = (*SMALL, "trainer.max_steps=8", "augmentation=held"), tmp_path / "runs" / "two_machines"
    both = [torchrun(tmp_path, machines, i, *line) for i in range(2)]
    both[1].until("held")
    pids = [*both[0].ranks().values(), *both[1].ranks().values()]
    with promised(10):
        os.kill(both[1].ranks()[1], signal.SIGKILL)
        ends = [one.end() for one in both]
    assert gone(pids)
    assert [code for code, _, _ in ends] == [1, 1]
    assert ends[1][1] == ""
    found = result(run)
    assert (found["status"], found["processes"]) == ("failed", 2)
    assert "onnection" in found["reason"]
    assert len(list(run.glob("events.out.tfevents.*.0.????????"))) == 1
    assert list((tmp_path / "runs").iterdir()) == [run]


@pytest.mark.slow
def test_two_machines_by_torchrun_train_to_the_end(machines, tmp_path):
    line = (*SMALL, "trainer.max_steps=5", "hydra.run.dir=runs/${name}/${now:%Y-%m-%d_%H-%M-%S}_${short_id:}")  # the usual
    ends = [one.end() for one in [torchrun(tmp_path, machines, i, *line) for i in range(2)]]
    assert [code for code, _, _ in ends] == [0, 0], ends[0][2][-2000:]
    (run,) = (tmp_path / "runs" / "digits").iterdir()
    assert result(run)["status"] == "finished"
    assert ends[0][1].count("status") == 1
    assert ends[1][1] == ""
    assert len(list(run.glob("events.out.tfevents.*.0.????????"))) == 1
    assert "training" not in ends[1][2]
    again = [torchrun(tmp_path, machines, i, f"run={run}", "trainer.max_steps=10") for i in range(2)]
    ends = [one.end() for one in again]
    assert [code for code, _, _ in ends] == [0, 0], ends[0][2][-2000:]
    assert ends[0][1].startswith("changed: trainer.max_steps: 5 → 10")
    assert result(run)["step"] == 10


# ── sweeps ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_the_command_for_one_machine(tmp_path):
    code, _, errors = Together(tmp_path, *ddp_worker.written("gan-train")[1:], *SMALL, "trainer.max_steps=5").end()
    assert code == 0, errors[-2000:]


LAUNCHERS = {
    "basic": (),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"),
}


@pytest.mark.parametrize("launcher", kinds(LAUNCHERS))
def test_a_sweep_of_two_jobs_of_two_ranks(tmp_path, launcher):
    line = (*LINE[:-2], "trainer.max_steps=2", "metric=none", "seed=0,1", "hydra.sweep.dir=sweep", *LAUNCHERS[launcher], "-m")
    code, _, errors = Together(tmp_path, *line).end()
    assert code == 0, errors[-2000:]
    runs = sorted(path.parent for path in (tmp_path / "sweep").glob("**/config.yaml"))
    assert len(runs) == 2
    for seed, run in enumerate(runs):
        assert f"seed: {seed}\n" in (run / "config.yaml").read_text()
        assert (result(run)["status"], result(run)["step"], result(run)["processes"]) == ("finished", 2, 2)
        assert len(list(run.glob("events.out.tfevents.*.0.????????"))) == 1
    assert not any((tmp_path / name).exists() for name in ("runs", "multirun"))  # no rank has begun a sweep of its own


@pytest.mark.slow
def test_a_job_of_two_ranks_begins_no_sweep_of_its_own(tmp_path, command, inherited):
    line = (*LINE[:-2], "trainer.max_steps=2", "metric=none", "seed=1", "hydra.sweep.dir=sweep")
    done = command("gan-train", "-m", *line)
    assert done.code == 0, done.err
    (found,) = (result(path.parent) for path in tmp_path.glob("**/config.yaml"))
    assert (found["status"], found["step"], found["processes"]) == ("finished", 2, 2)
