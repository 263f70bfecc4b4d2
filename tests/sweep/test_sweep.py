"""A sweep validates all jobs first, isolates their failures, and resumes with the same command."""

import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import fork_server
import held
import pytest
from kinds import kinds
from omegaconf import OmegaConf
from waiting import HANG, until

from gan_lightning.config.compose import Composer
from gan_lightning.config.run_config import ConfigFileError, load_resolved
from gan_lightning.config.validate import validate
from gan_lightning.run import lock
from gan_lightning.sweep import gpu_lease, plan, status

TINY = ("experiment=ring_fast", "trainer.max_steps=4", "metric=none", "checkpoint.every_n_steps=2")
MYLAB = f'''
import sys, time
from pathlib import Path
{held.CLASS}

class Odd(Augmentation):
    """Fail in the third step in the configured way, unless the file MENDED exists."""

    def __init__(self, failure: str) -> None:
        super().__init__()
        self.failure, self.seen = failure, 0

    def update(self, real_logits):
        self.seen += 1
        if self.seen == 3 and not Path(os.environ["MENDED"]).exists():
            if self.failure == "raise":
                raise ArithmeticError("divided by nothing")
            if self.failure == "exit":
                sys.exit(3)
            if self.failure == "quietly":
                os._exit(0)
            if self.failure == "memory":
                raise MemoryError("no memory for 3 TB")
            if self.failure == "kill":
                os.kill(os.getpid(), signal.SIGKILL)


class Devices(Augmentation):
    """Write the GPUs that this process sees, and when, to a file; wait until three processes have begun."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.time()

    def update(self, real_logits):
        seen = Path(os.environ["SEEN"])
        (seen / ("began " + str(os.getpid()))).touch()
        while len(list(seen.glob("began *"))) < 3:
            time.sleep(0.02)
        line = [os.environ["CUDA_VISIBLE_DEVICES"], str(self.began), str(time.time())]
        (seen / str(os.getpid())).write_text(" ".join(line))
'''


def result(run):
    return json.loads((run / "result.json").read_text())


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """Make a user's package with augmentations that fail, record GPUs and hold."""
    lab, conf = tmp_path / "lab", tmp_path / "conf" / "augmentation"
    lab.mkdir()
    conf.mkdir(parents=True)
    (lab / "mylab.py").write_text(MYLAB)
    (conf / "odd.yaml").write_text("_target_: mylab.Odd\nfailure: none\n")
    (conf / "devices.yaml").write_text("_target_: mylab.Devices\n")
    (conf / "held.yaml").write_text(held.node(tmp_path / "held"))
    monkeypatch.syspath_prepend(str(lab))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(lab), *sys.path]))
    monkeypatch.setenv("GAN_LIGHTNING_PACKAGES", "mylab")
    monkeypatch.setenv("MENDED", str(tmp_path / "mended"))
    monkeypatch.setenv("SEEN", str(tmp_path))
    return ("--config-dir", str(tmp_path / "conf"))


def interpreter(folder, *line, env):
    command = [sys.executable, "-m", "gan_lightning.cli.train", *line]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def start(folder, *line, **options):
    return fork_server.start("gan_lightning.cli.train", *line, folder=folder, **options)


def table_rows(out):
    """Return job → its row of the printed table."""
    table = out.partition(" finished; the same")[0].rpartition("\n\n")[0].rpartition("\n\n")[2]
    return {next(cell for cell in line.split() if "=" in cell): line for line in table.splitlines() if "at step" in line}


def test_a_failing_job_stops_no_other_and_is_tried_again(command, mylab, tmp_path):
    reasons = {
        "raise": "ArithmeticError: divided by nothing",
        "exit": "SystemExit: 3",
        "quietly": "ended without a recorded reason",
        "memory": "MemoryError: no memory for 3 TB",
        "kill": "killed by SIGKILL",
    }
    line = ("-m", *mylab, *TINY, "augmentation=odd", f"augmentation.failure=none,{','.join(reasons)}", "hydra.sweep.dir=all")
    done = command("gan-train", *line)
    assert done.code == 1
    assert "1 of 6 finished; the same command goes on with the rest" in done.out
    rows = table_rows(done.out)
    for failure, reason in reasons.items():
        run = tmp_path / "all" / f"augmentation.failure={failure},augmentation=odd,checkpoint.every_n_steps=2,metric=none"
        assert reason in rows[run.name], rows
        assert reason in result(run)["reason"]
        assert result(run)["status"] == "failed"
        assert (run / "checkpoints" / "step=00000002.ckpt").exists()
    (tmp_path / "mended").touch()
    repeated = command("gan-train", *line)
    assert repeated.code == 0, repeated.err
    assert repeated.out.startswith("6 jobs: 5 failed before, tried again, 1 finished already → all\n")
    assert "6 of 6 finished" in repeated.out
    assert {result(p.parent)["status"] for p in tmp_path.glob("all/*/result.json")} == {"finished"}


def test_another_config_is_reported_and_nothing_is_launched(command, tmp_path):
    line = ("-m", *TINY, "loss=hinge,minimax", "hydra.sweep.dir=all")
    assert command("gan-train", *line).code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = command("gan-train", *line, "trainer.max_steps=5", "seed=0")
    assert done.code == 0  # seed=0 is part of the names: other jobs
    done = command("gan-train", *line, "trainer.max_steps=5")
    assert done.code == 2
    lines = done.err.splitlines()
    assert lines[0].startswith(
        "all/checkpoint.every_n_steps=2,loss=hinge,metric=none: holds a run with another config (trainer.max_steps: 4 → 5); "
    )
    assert lines[-1] == "nothing was launched: 2 of 2 jobs can't be gone on with"
    runs = {path: time for path, time in before.items() if "metric=none/" in str(path)}
    assert runs
    assert all(path.stat().st_mtime_ns == time for path, time in runs.items())
    entries = json.loads((tmp_path / "all" / "sweep.json").read_text())["jobs"]
    names = [
        f"checkpoint.every_n_steps=2,loss={loss},metric=none{seed}" for seed in ("", ",seed=0") for loss in ("hinge", "minimax")
    ]
    assert [entry["directory"] for entry in entries] == names


def test_values_with_slashes_and_long_names_are_hashed(command, tmp_path):
    for name in ("one/faces", "two/faces"):
        (tmp_path / name).mkdir(parents=True)
    composer = Composer()
    long = [f"+model.generator.{'x' * 40}{i}={'y' * 20}" for i in range(6)]
    overrides = ["data.root=one/faces", "optimizer/schedule=cosine", *long]
    name = plan.job_directory(composer.parse(overrides), set())
    assert len(name.encode()) == 255
    assert "/" not in name
    other = plan.job_directory(composer.parse([*overrides[:-1], overrides[-1] + "z"]), set())
    assert other[:200] == name[:200]
    assert other != name
    one, two = (plan.job_directory(composer.parse([f"data.root={root}/faces"]), set()) for root in ("one", "two"))
    assert one != two
    assert one.startswith("data.root=faces~")
    done = command("gan-train", "-m", *TINY, "optimizer/schedule=constant,cosine", "hydra.sweep.dir=all")
    assert done.code == 0, done.err
    entries = json.loads((tmp_path / "all" / "sweep.json").read_text())["jobs"]
    name = "checkpoint.every_n_steps=2,metric=none,optimizer.schedule=cosine"
    assert {e["directory"]: e["overrides"] for e in entries}[name] == [*TINY, "optimizer/schedule=cosine"]
    assert (tmp_path / "all" / name / "result.json").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("hydra.sweep.subdir=x", "seed=0,1"), "hydra.sweep.subdir=x: the directories of jobs are named by their overrides"),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=1,2"), "hydra.launcher.n_jobs=1,2: how jobs are run can't be swept"),
        (("hydra/launcher=joblibb", "seed=0,1"), "hydra/launcher=joblibb: no such option; did you mean joblib?"),
        (("loss=hing", "seed=0,1"), "2 of 2 jobs are invalid, nothing was launched"),
        (("seed=0,-1"), "1 of 2 jobs are invalid, nothing was launched"),
    ],
    ids=str,
)
def test_mistakes_before_anything_is_launched(command, tmp_path, line, message):
    done = command("gan-train", "-m", *TINY, *([line] if isinstance(line, str) else line))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


class Stream(io.StringIO):
    """A stderr that is a terminal, or none."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize(
    ("limit", "terminal", "shown"), [(1, True, True), (1, False, False), (plan.MAX_JOBS_WITHOUT_BAR, True, False)]
)
def test_many_jobs_have_a_bar_on_a_terminal(monkeypatch, limit, terminal, shown):
    """It depends on their number, not on how long their check takes."""
    monkeypatch.setattr(plan, "MAX_JOBS_WITHOUT_BAR", limit)
    monkeypatch.setattr(sys, "stderr", Stream(terminal))
    plan.plan_sweep(Composer(), ["experiment=ring_fast", "seed=0,1"])
    assert ("checking" in sys.stderr.getvalue()) == shown


def test_names_that_differ_share_one_folder_and_a_point_given_twice_is_one_job(command, tmp_path):
    done = command("gan-train", "-m", "experiment=ring_fast,dirac", "trainer.max_steps=1", "metric=none", "seed=0,0")
    assert done.code == 0, done.err
    assert {path.name for path in (tmp_path / "multirun").iterdir()} == {"ring_fast+dirac"}
    assert len(list((tmp_path / "multirun" / "ring_fast+dirac").glob("*/result.json"))) == 2


def test_an_experiment_may_define_its_sweep(command, tmp_path):
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - ring_fast\nhydra:\n  sweeper:\n    params:\n      seed: 1,2\n"
    (folder / "mine.yaml").write_text(text)
    line = ("--config-dir", "conf", "-m", "experiment=mine", *TINY[1:], "loss=hinge")
    done = command("gan-train", *line)
    assert done.code == 0, done.err
    assert "2 of 2 finished" in done.out
    names = {f"checkpoint.every_n_steps=2,loss=hinge,metric=none,seed={seed}" for seed in (1, 2)}
    assert names == {p.parent.name for p in tmp_path.glob("multirun/*/*/result.json")}


def test_a_job_that_runs_elsewhere_is_left_alone(command, tmp_path):
    line = ("-m", *TINY, "seed=0,1", "hydra.sweep.dir=all")
    assert command("gan-train", *line, "trainer.max_steps=4").code == 0
    run = tmp_path / "all" / "checkpoint.every_n_steps=2,metric=none,seed=1"
    (run / "result.json").write_text(json.dumps(result(run) | {"status": "running", "step": 2}))
    owner = {"host": "elsewhere", "pid": 1, "boot": "another", "job": "", "restarts": 0}
    (run / ".lock.owner").write_text(json.dumps(owner))
    done = command("gan-train", *line)
    assert done.code == 1
    assert "1 finished already, 1 in the hands of another process" in done.out
    assert "running elsewhere at step 2" in done.out
    dead = {"host": "elsewhere", "pid": 2**22, "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}
    (run / ".lock.owner").write_text(json.dumps(owner | dead))  # a dead process of this machine
    repeated = command("gan-train", *line)
    assert repeated.code == 0, repeated.err
    assert "1 to go on with, 1 finished already" in repeated.out


def test_a_job_that_another_sweep_has_just_begun_is_left_alone(command, tmp_path, monkeypatch):
    """The other one had not locked it yet when this one looked."""
    line = ("-m", *TINY, "seed=0", "hydra.sweep.dir=all")
    assert command("gan-train", *line).code == 0
    run = tmp_path / "all" / "checkpoint.every_n_steps=2,metric=none,seed=0"
    (run / "result.json").write_text(json.dumps(result(run) | {"status": "running", "step": 2}))
    with lock.locked(run):
        before = {name: (run / name).read_bytes() for name in ("result.json", ".lock.owner")}
        with monkeypatch.context() as patch:
            patch.setattr(status, "lock", SimpleNamespace(read_owner=lambda _: None))
            done = command("gan-train", *line)
        assert {name: (run / name).read_bytes() for name in before} == before
    assert done.code == 1
    assert "running at step 2" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_launchers_give_the_same_bits(tmp_path, launcher):
    """OMP_NUM_THREADS is unset: a launcher that gave a job another number of threads would change sums."""
    line = ("-m", "experiment=digits_fast", "trainer.max_steps=60", "loss=hinge,minimax", "seed=0,1")
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    values = []
    for name in ("basic", launcher):
        extra = ("hydra.launcher.n_jobs=2",) if name == "joblib" else ()
        child = interpreter(tmp_path, *line, f"hydra/launcher={name}", f"hydra.sweep.dir={name}", *extra, env=environment)
        out, _ = child.communicate(timeout=HANG)
        assert child.returncode == 0, out
        assert "4 of 4 finished" in out
        values.append({p.parent.name: result(p.parent)["metrics"] for p in (tmp_path / name).glob("*/result.json")})
    assert values[0] == values[1]
    assert len({value["class_accuracy"] for value in values[0].values()}) > 1


def overlap(spans):
    """Return whether two processes used the same GPU at the same time."""
    pairs = [(a, b) for i, a in enumerate(spans) for b in spans[i + 1 :] if a[0] == b[0]]
    return any(float(a[1]) < float(b[2]) and float(b[1]) < float(a[2]) for a, b in pairs)


def use_gpu(events, permits, locked):
    """Use one GPU until there is a permit to end; put an event when it is taken, and before it is released."""
    with gpu_lease.lease_gpus(1) if locked else nullcontext():
        events.put(("take", os.environ["CUDA_VISIBLE_DEVICES"]))
        permits.acquire()
        events.put(("release", os.environ["CUDA_VISIBLE_DEVICES"]))


def record_events(jobs, at_once, locked):
    """Return the events of so many jobs in their order; one job is let go whenever `at_once` of them use a GPU."""
    context = multiprocessing.get_context("fork")
    queue, permits, events, permitted = context.SimpleQueue(), context.Semaphore(0), [], 0
    children = [context.Process(target=use_gpu, args=(queue, permits, locked), daemon=True) for _ in range(jobs)]
    for child in children:
        child.start()
    while len(events) < 2 * jobs:
        until(lambda: not queue.empty())
        events.append(queue.get())
        taken = sum(event == "take" for event, _ in events)
        if permitted < taken and (taken - permitted == at_once or taken == jobs):
            permits.release()
            permitted += 1
    for child in children:
        child.join(HANG)
    assert [child.exitcode for child in children] == [0] * jobs
    return events


def shared_gpus(events):
    """Return the GPUs that a process took while another used them."""
    used, shared = set(), set()
    for event, name in events:
        if event == "take":
            shared |= used & {name}
            used.add(name)
        else:
            used.discard(name)
    return shared


def test_eight_jobs_on_three_gpus_never_share_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,GPU-7")
    monkeypatch.setattr(gpu_lease.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpu_lease, "POLL_SECONDS", 0.01)
    events = record_events(8, 3, locked=True)
    assert {name for _, name in events[:3]} == {"0", "1", "GPU-7"}
    assert shared_gpus(events) == set()
    assert shared_gpus(record_events(8, 3, locked=False)) == {"0,1,GPU-7"}, "the negative control shares no GPU"


@pytest.mark.slow
def test_no_two_jobs_of_a_sweep_share_a_gpu(tmp_path, mylab):
    """Eight jobs, four at a time, on three GPUs that exist in name only."""
    line = ("-m", *mylab, *TINY, "augmentation=devices", "seed=range(0,8)", "hydra/launcher=node", "hydra.launcher.n_jobs=4")
    environment = {"CUDA_VISIBLE_DEVICES": "0,1,GPU-7", "TMPDIR": str(tmp_path)}
    child = interpreter(tmp_path, *line, "hydra.sweep.dir=all", env=os.environ | environment)
    out, _ = child.communicate(timeout=HANG)
    assert "8 of 8 finished" in out, out
    spans = [path.read_text().split() for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(spans) == 8
    assert {name for name, _, _ in spans} == {"0", "1", "GPU-7"}
    assert not overlap(spans)


@pytest.mark.parametrize(
    ("launcher", "more"),
    [
        ("node", ()),
        ("submitit_local", ()),
        ("slurm_gpu", ("trainer=gpu",)),
        ("slurm_node", ("trainer=ddp_gpu", "trainer.devices=8")),
        ("slurm_nodes", ("trainer=ddp_gpu", "trainer.devices=8", "trainer.num_nodes=2")),
    ],
)
def test_every_launcher_composes_and_is_allowed(launcher, more, tmp_path):
    """Also on a login node without a GPU, because only the machines of the jobs need one."""
    planned = plan.plan_sweep(Composer(), ["experiment=ring_fast", "seed=0,1", f"hydra/launcher={launcher}", *more])
    assert [job.directory for job in planned.jobs] == [
        ",".join(sorted((*(o for o in more if not o.startswith("trainer.devices")), f"seed={i}"))) for i in (0, 1)
    ]


ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


@pytest.mark.parametrize("number", kinds(ENDINGS, signal.SIGTERM, signal.SIGKILL), ids=lambda n: n.name)
def test_an_interrupted_sweep_saves_its_job_and_is_resumed(command, mylab, tmp_path, number):
    line = ("-m", *mylab, "experiment=ring_fast", "trainer.max_steps=8,9", "logger=none", "metric=none", "augmentation=held")
    child = start(tmp_path, *line, "hydra.sweep.dir=all")
    run = tmp_path / "all" / "augmentation=held,metric=none,trainer.max_steps=8"
    try:
        until((tmp_path / "held").exists, child)
        child.send_signal(number)
        out, _ = child.communicate(timeout=HANG)
    finally:
        child.kill()
    until(lambda: result(run)["status"] != "running")  # SIGKILL: the job ends on its own
    saved, began = result(run), (run / "samples" / "step=00000000.png").stat().st_mtime_ns
    assert saved["status"] == {"SIGINT": "stopped"}.get(number.name, "preempted"), (saved, out)
    assert saved["step"] == 6
    assert (run / "checkpoints" / "step=00000006.ckpt").exists()
    assert not run.with_name(run.name.replace("8", "9")).exists()
    assert child.returncode == (-9 if number == signal.SIGKILL else 128 + number), out
    if number == signal.SIGTERM:
        repeated = command("gan-train", *line, "hydra.sweep.dir=all")
        assert repeated.code == 0, repeated.err
        assert "2 jobs: 1 new, 1 to go on with" in repeated.out
        assert (run / "samples" / "step=00000000.png").stat().st_mtime_ns == began, "the job started again from step 0"
        assert result(run)["step"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_joblib_kills_its_workers_after_their_jobs_have_saved(mylab, tmp_path, workers):
    line = ("-m", *mylab, "experiment=ring_fast", "trainer.max_steps=7,8,9", "logger=none", "metric=none", "augmentation=held")
    child = interpreter(
        tmp_path, *line, "hydra.sweep.dir=all", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers}", env=os.environ
    )
    try:
        until((tmp_path / "held").exists, child)
        child.send_signal(signal.SIGHUP)
        out, _ = child.communicate(timeout=HANG)
    finally:
        child.kill()
    assert child.returncode == 129, out
    ended = [result(path.parent) for path in tmp_path.glob("all/*/result.json")]
    assert len(ended) <= workers, "another job began"
    assert ("preempted", "SIGHUP", 6) in [(r["status"], r["reason"], r["step"]) for r in ended], ended
    assert not [r for r in ended if r["status"] == "running"]


def test_the_resolved_copy_equals_the_config(tmp_path):
    """A repeated command compares this file: floats, lists and nulls survive, a Python object is rejected."""
    config = Composer().compose(["experiment=ring", "optimizer.lr=1e-05", "data.batch_size=16"])
    (tmp_path / "x.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    assert load_resolved(tmp_path / "x.yaml") == validate(config)
    (tmp_path / "x.yaml").write_text("!!python/object/apply:os.system [true]\n")
    with pytest.raises(ConfigFileError):
        load_resolved(tmp_path / "x.yaml")


def test_ctrl_c_reaches_a_job_of_several_processes(mylab, tmp_path):
    """It has left the terminal's group, and so have its ranks."""
    line = ("-m", *mylab, "experiment=ring_fast", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "seed=0,1")
    line += ("trainer.max_steps=40", "logger=none", "metric=none", "augmentation=held", "hydra.sweep.dir=all")
    child = start(tmp_path, *line)
    try:
        until((tmp_path / "held").exists, child)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=HANG)
    finally:
        child.kill()
    assert child.returncode == 128 + signal.SIGINT, out
    (run,) = (path.parent for path in (tmp_path / "all").glob("*/config.yaml"))
    assert (result(run)["status"], result(run)["reason"]) == ("stopped", "SIGINT"), out
