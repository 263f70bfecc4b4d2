"""A good checkpoint is never lost: to a crash, a damaged file, a full or failing disk, a clock."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import crash_workers
import pytest
import torch
from tiny_gan import equal, fit, make_gan, trained
from waiting import HANG

from gan_lightning.callback.checkpoint import Checkpoint
from gan_lightning.config.errors import UserError, WriteError
from gan_lightning.run.checkpoints import damage
from gan_lightning.run.directory import Run
from gan_lightning.storage import atomic
from gan_lightning.storage.checkpoint_io import DurableCheckpointIO, count_bytes

TINY = ("experiment=digits_fast", "model.width=4", "data.batch_size=16", "trainer.accelerator=cpu", "metric=none")
OTHER = Path("/dev/shm")


def begun(folder, *steps, **result) -> Run:
    """A run directory with these checkpoints."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("name: x\n")
    (folder / "result.json").write_text(json.dumps({"step": 1} | result))
    for step in steps:
        crash_workers.durable(step, folder)
    return Run(folder)


@pytest.fixture
def other_filesystem(tmp_path):
    if not os.access(OTHER, os.W_OK) or OTHER.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip(f"needs {OTHER} on a filesystem of its own")
    with tempfile.TemporaryDirectory(dir=OTHER) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of four steps, to copy."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return trained(folder, *TINY, "trainer.max_steps=4", "checkpoint.every_n_steps=2")


def process(*line, **given):
    here = [str(folder) for folder in Path(__file__).parents[1:3]]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(here)}
    return subprocess.run(line, capture_output=True, text=True, timeout=HANG, env=environment, check=False, **given)


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def whole(run, temporary):
    """What a start after a crash finds: AssertionError if anything is half-written, or left over. Returns the step."""
    assert [damage(path) for path in run.checkpoints.values()] == [None] * len(run.checkpoints), "half a file under a name"
    with run.locked():
        step, path = run.newest_good()
    assert equal(torch.load(path, weights_only=True), crash_workers.checkpoint(step))
    left = [p.name for p in (*run.path.rglob("*"), *temporary.rglob("*")) if p.is_file() and p.name.endswith((".tmp", ".part"))]
    assert left == [], "left over"
    assert list(temporary.iterdir()) == [], "left over"
    return step


def test_a_crash_at_any_point_of_a_save_on_any_filesystem(tmp_path, other_filesystem, monkeypatch):
    """Five points × where the run lies × where the temporary folder lies."""
    cases, runs = [], []
    for writer in crash_workers.WRITERS:
        for point in crash_workers.POINTS:
            for lies in (tmp_path, other_filesystem):
                for temporary in (tmp_path, other_filesystem):
                    name = f"{writer} {len(cases)}"
                    run = begun(lies / name, 1)
                    (temporary / f"tmp {name}").mkdir()
                    cases.append((writer, point, str(run.path), str(temporary / f"tmp {name}")))
                    runs.append(run)
    done = process(sys.executable, crash_workers.__file__, "crash", json.dumps(cases))
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    armed = [writer != "naive" or point not in crash_workers.POINTS[3:] for writer, point, *_ in cases]
    assert ended == [-9 if dies else 0 for dies in armed]
    orphans, failures = 0, []
    for (writer, point, _, temporary), run in zip(cases, runs, strict=True):
        tmp = Path(temporary)
        if writer == "naive":
            try:
                whole(run, tmp)
            except AssertionError as error:
                failures.append((point, str(error).partition("\n")[0]))
            continue
        left = list(run.path.rglob("*.tmp"))
        orphans += len(left)
        assert len(left) == (point in crash_workers.POINTS[1:4]), point
        if left:
            with monkeypatch.context() as patch:
                patch.setattr(atomic, "find_temporaries", lambda *_: [])  # the negative control: nobody sweeps
                with pytest.raises(AssertionError, match="left over"):
                    whole(run, tmp)
        assert whole(run, tmp) == (2 if writer == "durable" and point == crash_workers.POINTS[4] else 1)
        assert run.result["step"] == (2 if writer == "result" and point == crash_workers.POINTS[4] else 1)
    assert orphans == 3 * 4 * 2
    assert failures == [(crash_workers.POINTS[1], "half a file under a name")] * 4  # the negative control


def test_another_process_s_temporary_files_are_left_alone(tmp_path):
    run = begun(tmp_path / "run", 1)
    here, gone = atomic.socket.gethostname(), subprocess.Popen(["true"])
    gone.wait()
    names = {
        f".scores.json.{os.getppid()}@{here}.tmp": True,
        f".scores.json.{gone.pid}@elsewhere.tmp": True,
        f".scores.json.{gone.pid}@{here}.tmp": False,
        f".result.json.{os.getppid()}@{here}.tmp": False,  # its owner alone writes it, and that is we
        f".step=00000002.ckpt.{gone.pid}@elsewhere.tmp": False,
        ".mine.tmp": True,
        "notes.tmp": True,
    }
    for name in names:
        (run.path / name).touch()
    with run.locked():
        pass
    assert {name: (run.path / name).exists() for name in names} == names


CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (\d+)")


def in_order(calls, folder):
    """AssertionError unless strace saw: open a temporary file, write, fsync, rename it, fsync its folder."""
    final = f"{folder}/checkpoints/step=00000002.ckpt"
    seen, handles = [], {}
    for name, given, answer in calls:
        handle = given.partition(",")[0]
        if name == "openat":
            opened = given.split('"')[1]
            handles[answer] = opened
            if ".step=00000002.ckpt." in opened and opened.startswith(str(folder)):
                assert "O_CREAT" in given
                seen.append("open")
        elif name == "write" and ".step=00000002.ckpt." in handles.get(handle, "") and handles[handle].startswith(str(folder)):
            seen += [] if seen[-1] == "write" else ["write"]
        elif name in ("fsync", "fdatasync") and handles.get(handle, "").startswith(f"{folder}/checkpoints"):
            seen.append("fsync" if handles[handle].endswith(".tmp") else "fsync of the folder")
        elif name.startswith("rename") and final in given:
            seen.append("rename")
    assert seen[-5:] == ["open", "write", "fsync", "rename", "fsync of the folder"]


def test_the_order_of_the_system_calls(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    folders = [tmp_path / name for name in ("good", "no fsync", "no fsync of the folder")]
    for folder in folders:
        (folder / "checkpoints").mkdir(parents=True)
    watched = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2"
    line = ["strace", "-qq", "-e", watched, "-o", str(tmp_path / "calls")]
    done = process(*line, sys.executable, crash_workers.__file__, "trace", json.dumps(list(map(str, folders))))
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    calls = [m.groups() for text in (tmp_path / "calls").read_text(errors="replace").splitlines() if (m := CALL.match(text))]
    good, *poor = folders
    in_order(calls, good)
    for folder in poor:
        with pytest.raises(AssertionError):
            in_order(calls, folder)


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_flipped_bit_and_every_cut_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "step=00000001.ckpt"
    held = {"state_dict": {"a": torch.arange(5.0)}, "global_step": 1}
    DurableCheckpointIO().save_checkpoint(held, path)
    data = path.read_bytes()
    noticed = 0

    def write(harmed):
        path.unlink()  # a file that is cut and written anew goes to the disk at once, which takes its time
        path.write_bytes(harmed)

    for i in range(len(data)):
        harmed = bytearray(data)
        harmed[i] ^= 1 << i % 8
        write(harmed)
        if damage(path):
            noticed += 1
        else:
            assert equal(torch.load(path, weights_only=True), held), i
    assert noticed > len(data) / 4  # the rest is padding, dates and the like
    for n in range(len(data)):
        write(data[:n])
        assert damage(path), n
    write(data)
    assert damage(path) is None


def test_the_newest_is_told_by_its_step_and_never_by_a_clock(tmp_path):
    run = begun(tmp_path / "run", 5, 90, 100)
    for step, path in run.checkpoints.items():
        os.utime(path, (1e9 - step, 1e9 - step))
    assert max(run.checkpoints.values(), key=lambda p: p.stat().st_mtime).name == "step=00000005.ckpt"
    assert run.newest_good() == (100, run.checkpoint_path(100))
    assert run.checkpoint("latest") == run.checkpoint_path(100)


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "gone bad"])
def test_one_line_names_the_bad_file_and_the_one_used(tmp_path, capsys, harm):
    run = begun(tmp_path / "run", 1, 2, 3)
    bad = run.checkpoint_path(3)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 4
    bad.write_bytes({"empty": b"", "cut": bytes(data[:700]), "flipped": bytes(data), "gone bad": b"x" * 3000}[harm])
    assert run.newest_good() == (2, run.checkpoint_path(2))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{bad}: ")
    assert line.endswith("; going on from step=00000002.ckpt instead")
    for step in (1, 2):
        run.checkpoint_path(step).write_bytes(b"")
    with pytest.raises(UserError, match="no checkpoint can be read") as refused:
        run.newest_good()
    assert len(refused.value.lines) == 1
    assert all(f"step=0000000{step}.ckpt: " in refused.value.lines[0] for step in (1, 2, 3))
    assert capsys.readouterr().err == ""


def test_a_run_never_starts_again_at_0_without_a_word(tmp_path, capsys):
    assert begun(tmp_path / "new", step=0).newest_good() is None
    assert capsys.readouterr().err == ""
    assert begun(tmp_path / "killed before its first", step=30, status="running").newest_good() is None
    assert capsys.readouterr().err == "starting again from step 0: no checkpoint was saved up to step 30\n"
    with pytest.raises(UserError, match="checkpoints is empty, but a checkpoint of step 20 was saved there"):
        begun(tmp_path / "lost", step=25, saved=20).newest_good()


def test_what_commands_say_of_damaged_and_lost_checkpoints(command, finished, tmp_path):
    shutil.copytree(finished, "run")
    latest = tmp_path / "run" / "checkpoints" / "step=00000004.ckpt"
    data = bytearray(latest.read_bytes())
    data[len(data) // 2] ^= 1
    latest.write_bytes(data)
    for line in (("gan-sample", "num=1", "out=x.npy"), ("gan-evaluate", "metric=class_accuracy"), ("gan-export", "out=g.onnx")):
        done = command(line[0], "run=run", *line[1:])
        assert done.code == 2
        (said,) = done.err.splitlines()
        assert re.fullmatch(r"run/checkpoints/step=00000004.ckpt: .+; the newest that can be read: checkpoint=2", said)
    assert command("gan-sample", "run=run", "num=1", "out=x.npy", "checkpoint=2").code == 0
    Run("run").record(status="running")
    done = command("gan-train", "run=run", "checkpoint.every_n_steps=9")
    assert (done.code, "going on from step=00000002.ckpt instead" in done.err) == (0, True), done.err
    assert damage(latest) is None, "the last state takes the damaged one's place"
    shutil.rmtree(latest.parent)
    done = command("gan-train", "run=run", "trainer.max_steps=8")
    assert done.code == 2
    (said,) = done.err.splitlines()
    assert said.startswith("run=run: run/checkpoints is empty, but a checkpoint of step 4 was saved there")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["step"] == 4


# ── which are kept ───────────────────────────────────────────────────────────────────────────────────────────────────────
def train_and_save(run, steps, every_n_steps=1, **given):
    watcher = Checkpoint(run, every_n_steps=every_n_steps, **given)
    fit(make_gan(), steps, callbacks=[watcher], plugins=[DurableCheckpointIO()])
    return watcher


def test_the_last_three_are_kept_and_the_best(tmp_path):
    run = begun(tmp_path / "run")
    run.record(best_step=2, best_objective=0.5)
    train_and_save(run, 8)
    assert list(run.checkpoints) == [2, 6, 7, 8]
    assert run.result["saved"] == 8


# ── a full or failing disk ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def failing(monkeypatch):
    """failing(number, *which): the save of a step fails so often; each save that is tried is listed."""
    tried = []

    def arm(number, often):
        left, save = dict(often), torch.save

        def failing_save(held, file):
            step = held.get("global_step")
            if isinstance(file, io.BytesIO):  # counts
                return save(held, file)
            tried.append(step)
            if left.get(step, 0):
                left[step] -= 1
                file.write(b"half")
                raise OSError(number, os.strerror(number))
            return save(held, file)

        monkeypatch.setattr(torch, "save", failing_save)
        return tried

    monkeypatch.setattr(atomic, "PAUSES", (0.0, 0.0))
    return arm


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_failing_write_is_tried_again(tmp_path, capsys, failing, number):
    run = begun(tmp_path / "run")
    tried = failing(number, {2: 2})
    train_and_save(run, 2)
    assert tried == [1, 2, 2, 2]
    assert (list(run.checkpoints), [damage(p) for p in run.checkpoints.values()]) == ([1, 2], [None, None])
    assert capsys.readouterr().err == ""
    assert not list(run.path.rglob("*.tmp"))


@pytest.mark.parametrize(("number", "tries"), [(errno.EIO, 3), (errno.ENOSPC, 1), (errno.EDQUOT, 1)])
def test_a_save_that_fails_for_good_costs_a_line_and_nothing_else(tmp_path, capsys, failing, number, tries):
    run = begun(tmp_path / "run")
    run.record(best_step=1, best_objective=0.5)
    tried = failing(number, {3: 9, 4: 9})

    def better(step):
        if step == 3:
            run.record(best_step=3, best_objective=0.9)

    watcher = Checkpoint(run, every_n_steps=1)
    before, original = [], watcher._save
    watcher._save = lambda trainer, module: (better(trainer.global_step), before.append(1), original(trainer, module))[2]
    fit(make_gan(), 5, callbacks=[watcher], plugins=[DurableCheckpointIO()])
    assert tried == [1, 2, *[3] * tries, *[4] * tries, 5]
    lines = capsys.readouterr().err.splitlines()
    reason = "Input/output error" if tries == 3 else r"disk full: need \d+\.\d KiB, have \d+\.\d \wiB"
    assert len(lines) == 2
    for step, line in zip((3, 4), lines, strict=True):
        assert re.fullmatch(f"step {step}: not saved: {reason}; training goes on, the newest checkpoint: step 2", line)
    assert list(run.checkpoints) == [1, 2, 5]
    assert (run.result["best_step"], run.result["best_objective"], run.result["saved"]) == (1, 0.5, 5)
    assert not list(run.path.rglob("*.tmp"))


def test_a_last_save_that_fails_ends_with_a_code_and_a_sentence(tmp_path, capsys, failing):
    run = begun(tmp_path / "run")
    failing(errno.EIO, {3: 99})
    with pytest.raises(WriteError) as stopped:
        train_and_save(run, 3)
    assert stopped.value.code == 74
    what = f"run={run.path}: step 3 could not be saved: Input/output error; the newest checkpoint: step 2"
    assert stopped.value.lines == (f"{what}; to go on: gan-train run={run.path}",)
    assert capsys.readouterr().err == ""
    assert run.newest_good() == (2, run.checkpoint_path(2))


def test_result_json_is_kept_in_memory_until_the_disk_takes_it(tmp_path, capsys, monkeypatch):
    run = begun(tmp_path / "run")
    monkeypatch.setattr(atomic, "PAUSES", ())
    with monkeypatch.context() as patch, run.locked():
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ESTALE, "Stale file handle")))
        run.record(step=5)
        run.record(objective=2.0)
        assert (run.result["step"], run.result["objective"]) == (5, 2.0)
        assert json.loads((run.path / "result.json").read_text()) == {"step": 1}
        patch.undo()
        run.record(reason="x")
    written = {"step": 5, "seconds": 0.0, "objective": 2.0, "reason": "x"}
    assert json.loads((run.path / "result.json").read_text()) == written
    assert capsys.readouterr().err == f"{run.path / 'result.json'}: not written: Stale file handle\n"
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    run.record(step=6)
    monkeypatch.undo()
    with pytest.raises(WriteError, match=r"result\.json could not be written"), run.locked():
        pass


def test_what_a_full_disk_needs_is_exact(tmp_path):
    DurableCheckpointIO().save_checkpoint(crash_workers.checkpoint(3), tmp_path / "x.ckpt")
    assert count_bytes(crash_workers.checkpoint(3)) == (tmp_path / "x.ckpt").stat().st_size
    assert [atomic.format_bytes(n) for n in (0, 1023, 1024, 1536, 5 * 2**20, 3 * 2**50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 MiB",
        "3072.0 TiB",
    ]


def test_a_disk_that_fills_up_while_a_run_trains(command, mounted):
    """A real one: it goes on until the end, keeps what was good, and can go on when there is room."""
    folder = mounted("600k")
    line = (*TINY, "checkpoint.every_n_steps=5", "trainer.max_steps=30", f"hydra.run.dir={folder}/run")
    done = command("gan-train", *line)
    assert done.code == 74, done.err
    assert "Traceback" not in done.err
    said = [text.strip() for text in re.split(r"[\r\n]", done.err) if "disk full" in text]
    full = r"disk full: need \d+\.\d KiB, have \d+(\.\d)? K?i?B"
    assert len(said) == 3
    assert re.fullmatch(f"step 20: not saved: {full}; training goes on, the newest checkpoint: step 15", said[0])
    assert re.fullmatch(f"run={folder}/run: step 30 could not be saved: {full}; the newest checkpoint: step 15; .*", said[-1])
    run = Run(folder / "run")
    assert {step: damage(path) for step, path in run.checkpoints.items()} == dict.fromkeys((5, 10, 15))
    mounted("8m")
    done = command("gan-train", f"run={folder}/run")
    assert (done.code, "going on from step 15" in done.out, list(run.checkpoints)) == (0, True, [20, 25, 30])


def test_a_disk_that_is_full_under_everything_else(command, mounted):
    """TensorBoard's files, pictures and result.json: the same code, a sentence, no traceback."""
    folder = mounted("250k")
    done = command(
        "gan-train", *TINY, "checkpoint.every_n_steps=5", "callback.samples.every_n_steps=7", f"hydra.run.dir={folder}/run"
    )
    assert done.code == 74, done.err
    assert "Traceback" not in done.err
    last = done.err.strip().splitlines()[-1]
    assert re.fullmatch(
        rf"run={folder}/run: .*(No space left on device|disk full: .*); the newest checkpoint: step 5; .*", last
    )
    assert Run(folder / "run").newest_good()[0] == 5


def test_what_a_thread_says_of_a_full_disk_is_left_to_the_main_one(monkeypatch, capsys):
    """TensorBoard writes in a thread, and raises what that met where it is called."""
    from gan_lightning.training import fit

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    fit.silence_lightning()
    for error, said in ((OSError(errno.ENOSPC, "full"), False), (ValueError("a bug"), True)):
        thread = threading.Thread(target=lambda error=error: (_ for _ in ()).throw(error).__next__())
        thread.start()
        thread.join()
        assert ("Traceback" in capsys.readouterr().err) == said


def test_a_file_that_can_t_be_written_in_the_run_directory_is_a_sentence(command, finished):
    """Whatever else is in the way there: here a folder where a picture belongs."""
    shutil.copytree(finished, "run")
    for step in (6, 8):
        (Path("run") / "samples" / f"step={step:08d}.png").mkdir()
    done = command("gan-train", "run=run", "trainer.max_steps=6")
    assert done.code == 74
    last = done.err.strip().splitlines()[-1]
    assert last == (
        "run=run: run/samples/step=00000006.png: Is a directory; the newest checkpoint: step 4; to go on: gan-train run=run"
    )


def test_a_read_only_folder_is_refused_before_step_1(command, finished, mounted, monkeypatch):
    folder = mounted("8m")
    shutil.copytree(finished, folder / "run")
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))
    mounted("8m", "ro")
    monkeypatch.chdir(folder)
    for line, said in {
        (f"hydra.run.dir={folder}/new",): f"hydra.run.dir={folder}/new: {folder} is not writable",
        (): "hydra.run.dir=runs: . is not writable",
        ("seed=1,2", "-m"): "hydra.sweep.dir=multirun/digits_fast: . is not writable",
    }.items():
        done = command("gan-train", *line[::-1], *TINY)
        assert (done.code, done.err) == (2, said + "\n")
    done = command("gan-train", "run=run", "trainer.max_steps=6")
    assert (done.code, done.err) == (2, "run=run: nothing can be written here: Read-only file system\n")
    assert sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*")) == before
