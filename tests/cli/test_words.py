"""Folders with names as people have them, in every command: what a shell hands over as one word is one value."""

import json
import shlex
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_lightning.config.compose import Composer
from gan_lightning.config.text_keys import quote_line
from gan_lightning.sweep.job import train_run
from gan_lightning.sweep.report import commands
from gan_lightning.sweep.report.collect import collect

FACES = ("experiment=anime_faces", "metric=none", "model=mlp", "trainer.accelerator=cpu", "data.sample_shape=[3,8,8]")
FACES += ("data.validation=0.2", "data.test=0.2", "data.batch_size=8", "trainer.max_steps=2", "checkpoint.every_n_steps=1")
NAME = "ảnh mèo (1), [a] {b: c} #='\";~"


def images(folder, count=40):
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def in_process(monkeypatch):
    """Jobs and trials train in this process: a process of their own would import torch."""
    for caller in ("job", "search.trial"):
        monkeypatch.setattr(f"gan_lightning.sweep.{caller}.run_in_subprocess", lambda run, *_: train_run(run.path))


def result(folder):
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def typed(printed, start):
    """The command that was printed for copying, as a shell splits it."""
    (line,) = [line[line.index(start) :] for line in printed.splitlines() if start in line]
    return shlex.split(line)


def test_a_run_and_all_that_reads_it(command, tmp_path):
    images(tmp_path / NAME)
    run = tmp_path / "chạy (1), 'x'"
    done = command("gan-train", *FACES, f"data.root={NAME}", f"hydra.run.dir={run.name}")
    assert done.code == 0, done.err
    assert result(run)["status"] == "finished"
    assert (run / "config.resolved.yaml").read_text(encoding="utf-8").count("ảnh mèo") == 1

    assert command(*typed(done.out, "gan-sample")).code == 0
    done = command("gan-train", f"run={run.name}", "trainer.max_steps=2")
    done = command(*typed(done.out, "gan-train"))  # what it prints trains twice as long
    assert done.code == 0, done.err
    assert result(run)["step"] == 4
    images(tmp_path / "chó, b")
    done = command("gan-train", f"run={run.name}", "data.root=chó, b", "trainer.max_steps=5")
    assert done.code == 0, done.err
    assert "changed: data.root: " in done.out

    done = command("gan-train", f"fork={run.name}", "step=3", "hydra.run.dir=nhánh ~ 1", "trainer.max_steps=4")
    assert done.code == 0, done.err
    overrides = result(tmp_path / "nhánh ~ 1")["overrides"]
    assert overrides[-1].startswith("fork={run:'/")
    done = command("gan-train", *overrides, "hydra.run.dir=nhánh ~ 1")  # a run's own overrides are a command line again
    assert done.out.startswith("already finished, skipped: "), done.err
    for line in (
        ("gan-sample", "num=2", "out=mẫu (1).png"),
        ("gan-export", "out=mạng, 1.safetensors"),
        ("gan-evaluate", "metric=precision_recall", "feature=raw", "num=8", "out=điểm #1.json"),
        ("gan-replay", "step=2", "out=bước [2]"),
    ):
        done = command(line[0], f"run={run.name}", *line[1:])
        assert done.code == 0, (line, done.err)
        assert (tmp_path / line[-1].partition("=")[2]).exists()


def test_a_sweep(command, tmp_path, in_process):
    """Its job is found again, and the commands on its report mean the same. The names are decomposed, as macOS has them."""
    name, sweep = (unicodedata.normalize("NFD", text) for text in ("[chó], ảnh = 'b'", "quét; 1"))
    images(tmp_path / name)
    line = ("gan-train", *FACES, f"data.root={name}", "-m", f"hydra.sweep.dir={sweep}", "trainer.max_steps=1")
    done = command(*line)
    assert done.code == 0, done.err
    assert "1 finished already" in command(*line).out
    (job,) = collect(Path(sweep)).jobs
    repeat, again = shlex.split(commands.repeat_command(job)), shlex.split(commands.resume_command(job))
    assert root(repeat[1:]) == root(job.overrides) == name
    assert command(*again).out.startswith("finished at step 1")


def root(line):
    composer = Composer()
    return composer.compose(quote_line(composer, line, sweep=False)).data.root


def test_a_search(command, tmp_path, in_process):
    images(tmp_path / NAME)
    (tmp_path / "cấu hình" / "experiment").mkdir(parents=True)
    (tmp_path / "cấu hình" / "experiment" / "mine.yaml").write_text("# @package _global_\ndefaults: [anime_faces]\n")
    line = (
        "experiment=mine",
        *FACES[1:],
        "--config-dir",
        "cấu hình",
        f"data.root={NAME}",
        "metric=precision_recall",
        "data.validation=0.4",
    )
    done = command("gan-search", "trials=1", *line, "feature=raw", "loss=hinge,minimax", "sampler=random")
    assert done.code == 0, done.err
    best = command(*typed(done.out, "gan-train"), "--cfg", "job", "--resolve")
    assert best.code == 0, best.err
    assert yaml.safe_load(best.out)["data"]["root"] == NAME


@pytest.mark.parametrize(
    "line",
    [("-m", "seed=0,1"), ("seed=0,1", "-m"), ("--multirun", "seed=0,1")],
)
def test_a_switch_in_the_middle(command, monkeypatch, line):
    planned = []
    monkeypatch.setattr("gan_lightning.cli.train.run_sweep", lambda _, overrides: planned.extend(overrides) or 3)
    done = command("gan-train", "experiment=ring_fast", *line, "trainer.max_steps=1")
    assert (done.code, planned) == (3, ["experiment=ring_fast", "seed=0,1", "trainer.max_steps=1"])


def test_config_dir_in_the_middle(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "của tôi" / "loss"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("_target_: gan_lightning.loss.hinge.Hinge\n")
    done = command("gan-train", "experiment=ring_fast", "--config-dir", "~/của tôi", "loss=mine", "--cfg", "job", "seed=3")
    assert done.code == 0, done.err
    assert "_target_: gan_lightning.loss.hinge.Hinge" in done.out
    assert "seed: 3" in done.out


@pytest.mark.parametrize("value", ["~/chạy 1", "'~/chạy 1'"])
def test_a_run_directory_in_the_home_folder(command, tmp_path, monkeypatch, value):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = []
    monkeypatch.setattr("gan_lightning.cli.train.begin_on_rank_zero", lambda path, *_: made.append(path) or sys.exit(3))
    assert command("gan-train", "experiment=ring_fast", "metric=none", f"hydra.run.dir={value}").code == 3
    assert made == [str(tmp_path / "home" / "chạy 1")]
    assert not (tmp_path / "~").exists()


def test_home_in_the_arguments_of_other_commands(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, *line in (
        ("gan-train", "run=~/r"), ("gan-train", "fork=~/r", "step=1"), ("gan-sample", "run=~/r"), ("gan-report", "run=~/r"),
        ("gan-export", "run=~/r", "out=~/x.onnx"), ("gan-replay", "run=~/r", "step=1"), ("gan-evaluate", "run=~/r"),
        ("gan-evaluate", "real=~/r", "fake=~/r"), ("gan-train", "experiment=anime_faces", "data.root='~/r'"),
    ):  # fmt: skip
        done = command(name, *line)
        assert done.code == 2
        assert str(tmp_path / "home" / "r") in done.err, done.err
        assert done.err.count("\n") == 1
    images(tmp_path / "a")
    assert command("gan-sample", "run=~nobody-of-this-name/r").err.startswith("run=~nobody-of-this-name/r: no run directory")


@pytest.mark.parametrize(
    "line",
    [
        ("gan-train", "experiment=anime_faces", "data.root="),
        ("gan-train", "experiment=anime_faces", "data.root=''"),
        ("gan-train", "experiment=anime_faces", "data.root=x", "data.cache="),
        ("gan-train", "experiment=mnist", "data.root="),
        ("gan-train", "experiment=mnist", "feature=inception", "feature.weights="),
        ("gan-train", "experiment=ring_fast", "trainer.max_steps=1", "hydra.run.dir="),
        ("gan-train", "-m", "experiment=ring_fast", "trainer.max_steps=1", "hydra.sweep.dir="),
        ("gan-train", "run="),
        ("gan-train", "fork=", "step=1"),
        ("gan-train", "--config-dir="),
        ("gan-sample", "run="),
        ("gan-evaluate", "real=", "fake=x"),
    ],
)
def test_a_path_has_a_name(command, line):
    done = command(*line)
    assert done.code == 2
    assert "empty" in done.err or "without a name" in done.err
    assert "Traceback" not in done.err
