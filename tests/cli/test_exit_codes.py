"""How commands end: a disk that fails is no mistake of a person's, and nobody has to read what is printed."""

import errno
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from kinds import kinds
from tiny_gan import trained
from waiting import HANG

from gan_lightning.cli import evaluate, sample
from gan_lightning.cli.exit_codes import exit_codes
from gan_lightning.storage import atomic
from gan_lightning.sweep.report import write
from gan_lightning.training import replay, restore

TINY = (
    "experiment=digits_fast",
    "model.width=4",
    "data.batch_size=16",
    "trainer.accelerator=cpu",
    "metric=class_accuracy",
    "metric.class_accuracy.num_samples=200",
)
FULL = r": disk full: need \d+(\.\d)? (K|M)?i?B, have 0 B\n"
WRITERS = {
    "picture": ("gan-sample", "grid.png", "num=4"),
    "jpeg": ("gan-sample", "grid.jpg", "num=4"),
    "numbers": ("gan-sample", "x.npy", "num=4"),
    "files": ("gan-sample", "many/000000.png", "num=4"),
    "scores": ("gan-evaluate", "scores.json", "num=50"),
    "onnx": ("gan-export", "g.onnx"),
    "safetensors": ("gan-export", "g.safetensors"),
    "step": ("gan-replay", "seen/real.png", "step=2"),
    "report": ("gan-report", "report.html"),
}
FOLDERS = {"files": "many/", "step": "seen"}
KIND = pytest.mark.parametrize("kind", kinds(WRITERS, "picture", "scores", "safetensors", "step"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of four steps."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return trained(folder, *TINY, "trainer.max_steps=4", "checkpoint.every_n_steps=2")


def line(kind, run, folder):
    """A command that writes into a folder, and the file that it writes first."""
    name, file, *rest = WRITERS[kind]
    first = folder / ("report.csv" if kind == "report" else file)
    return [name, f"run={run}", f"out={folder}/{FOLDERS.get(kind, file)}", *rest], first


def filled(folder):
    """To the last byte."""
    with (folder / "filling").open("wb") as file, suppress(OSError):
        while os.write(file.fileno(), bytes(4096)):
            pass
    assert shutil.disk_usage(folder).free == 0


def files(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk(command, finished, mounted, kind):
    """A real one: one line, which names the file, and nothing half-written; with room for it the same command ends well."""
    folder = mounted("100k")
    filled(folder)
    words, first = line(kind, finished, folder)
    done = command(*words)
    assert done.code == 74, done.err
    assert re.fullmatch(re.escape(str(first)) + FULL, done.err), done.err
    assert files(folder) == ["filling"]
    mounted("8m")
    assert command(*words).code == 0
    assert first.stat().st_size > 0


@KIND
def test_a_disk_that_becomes_read_only_meanwhile(command, finished, mounted, monkeypatch, kind):
    """As Linux makes one that fails."""
    folder = mounted("8m")
    words, first = line(kind, finished, folder)
    first.parent.mkdir(exist_ok=True)
    at = {
        "gan-sample": (sample, "draw_samples"),
        "gan-evaluate": (evaluate, "score_samples"),
        "gan-export": (restore, "load_generator"),
    }
    where, name = (
        at.get(words[0]) or {"gan-replay": (replay, "replay_step"), "gan-report": (write, "replace_surrogates")}[words[0]]
    )
    work = getattr(where, name)
    monkeypatch.setattr(where, name, lambda *given: (work(*given), mounted("8m", "ro"))[0])
    done = command(*words)
    assert (done.code, done.err) == (74, f"{first}: Read-only file system\n")


@KIND
def test_a_disk_that_fails(command, finished, tmp_path, monkeypatch, kind):
    words, first = line(kind, finished, tmp_path)
    monkeypatch.setattr(atomic, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(
        atomic.ReplaceFile, "__enter__", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error"))
    )
    done = command(*words)
    assert (done.code, done.err) == (74, f"{first}: Input/output error\n")


@KIND
def test_a_folder_that_is_not_writable_is_a_mistake(command, finished, mounted, monkeypatch, kind):
    """It is told before the work."""
    folder = mounted("8m", "ro")
    words, _ = line(kind, finished, folder)
    monkeypatch.setattr(restore, "load_state", lambda *_: pytest.fail("worked in vain"))
    monkeypatch.setattr(replay, "replay_step", lambda *_: pytest.fail("worked in vain"))
    done = command(*words)
    assert (done.code, done.err) == (2, f"{words[2].removesuffix('/')}: {folder} is not writable\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gan-evaluate", "out=nowhere/x.json"), "out=nowhere/x.json: there is no folder nowhere\n"),
        (("gan-evaluate", "out=."), "out=.: is no file\n"),
        (("gan-evaluate", "out=/dev/null"), "out=/dev/null: is no file\n"),
        (("gan-export", "out=/dev/null/g.onnx"), "out=/dev/null/g.onnx: /dev/null is no folder\n"),
        (("gan-replay", "step=1", "out=/dev/null"), "out=/dev/null: /dev/null is no folder\n"),
    ],
)
def test_a_place_that_can_not_be_written_is_a_mistake(command, finished, words, said):
    done = command(words[0], f"run={finished}", *words[1:])
    assert (done.code, done.err) == (2, said)


def test_a_sweep_whose_plan_has_no_room(command, mounted):
    """What training writes beside its runs."""
    folder = mounted("100k")
    filled(folder)
    done = command("gan-train", "-m", *TINY, "seed=0,1", f"hydra.sweep.dir={folder}/sweep")
    assert done.code == 74, done.err
    assert re.fullmatch(re.escape(f"hydra.sweep.dir={folder}/sweep: nothing can be written here") + FULL, done.err), done.err


# ── what is printed ──────────────────────────────────────────────────────────────────────────────────────────────────────
def spoken(program, stdout, *words, buffered=True):
    """A process's exit code, and what it says on stderr."""
    line, around = [sys.executable, *program, *words], os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
    done = subprocess.run(line, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=HANG, check=False, env=around)
    return done.returncode, done.stderr


@pytest.fixture
def unread():
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_a_reader_that_has_had_enough(finished, unread, tmp_path):
    words = (f"run={finished}", "num=50", f"out={tmp_path}/scores.json")
    assert spoken(("-m", "gan_lightning.cli.evaluate"), unread, *words) == (141, "")
    assert (tmp_path / "scores.json").exists()


@pytest.mark.parametrize(
    ("module", "word", "buffered"),
    kinds(
        [
            ("sample", "--help", True),
            ("sample", "--help", False),
            ("train", "--cfg=job", True),
            ("search", "--help", True),
        ],
        ("sample", "--help", False),
        ("train", "--cfg=job", True),
    ),
)
def test_a_reader_that_has_had_enough_of_a_page(unread, module, word, buffered):
    assert spoken(("-m", f"gan_lightning.cli.{module}"), unread, word, buffered=buffered) == (141, "")


def test_a_reader_that_leaves_python_alone_is_complained_of(unread):
    """The negative control."""
    code, said = spoken(("-c", "print(1)"), unread)
    assert code != 141
    assert "BrokenPipeError" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_has_no_room():
    with Path("/dev/full").open("w") as full:
        assert spoken(("-m", "gan_lightning.cli.sample"), full, "--help") == (74, "output: No space left on device\n")


def test_another_broken_pipe_is_not_the_readers():
    with pytest.raises(BrokenPipeError), exit_codes(foreign=True):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
