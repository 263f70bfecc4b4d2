"""Which samples a number is computed from, at the command line: a fair selection of all, and a protocol that says it."""

import json

import numpy as np
import pytest
from PIL import Image

FOLDERS = ("metric=[fid,precision_recall]", "feature=raw", "out=found.json")
RUN = (
    "data=image_folder",
    "data.root=X",
    "data.sample_shape=[1,8,8]",
    "data.num_classes=0",
    "model=dcgan_small",
    "model.width=4",
    "regularizer=none",
    "data.batch_size=16",
    "trainer.max_steps=2",
    "trainer.accelerator=cpu",
    "metric=fid",
    "feature=raw",
    "callback=default",
    "callback.samples.every_n_steps=2",
    "hydra.run.dir=r",
)


def images(folder, values, seed=0):
    """Write one grey image per value: the value, with a little noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for i, value in enumerate(values):
        pixels = np.clip(value + random.normal(0, 8, (8, 8)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:05d}.png")


@pytest.fixture
def sorted_folder(tmp_path, monkeypatch):
    """A folder whose names sort by class: dark images, then bright ones."""
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    images(tmp_path / "X" / "a", [60] * 300)
    images(tmp_path / "X" / "b", [200] * 300, seed=1)
    return tmp_path / "X"


def evaluated(command, folder, *line):
    (folder / "found.json").unlink(missing_ok=True)
    done = command("gan-evaluate", *line)
    assert done.code == 0, done.err
    return done, json.loads((folder / "found.json").read_text())


def test_a_folder_is_at_distance_0_from_itself(sorted_folder, command, tmp_path):
    _, found = evaluated(command, tmp_path, "real=X", "fake=X", *FOLDERS)
    scores = {name: row["generated"] for name, row in found["scores"].items()}
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert (scores["precision"], scores["recall"]) == (1, 1)
    assert found["protocol"]["samples"] == {"fid": 600, "precision_recall": 600}


def test_fewer_samples_than_there_are_are_of_all_classes(sorted_folder, command, tmp_path):
    """The first 250 files are all dark: they gave a distance of thousands and a recall below 1/2."""
    done, found = evaluated(command, tmp_path, "real=X", "fake=X", "num=250", *FOLDERS)
    scores = {name: row["generated"] for name, row in found["scores"].items()}
    assert scores["fid"] < 20  # in units of 64 pixels; the classes are 64 · 1.1² apart
    assert (scores["precision"], scores["recall"]) == (1, 1)
    assert found["protocol"]["samples"] == {"fid": 250, "precision_recall": 250}
    assert found["protocol"]["compared_with"] == {"fid": {"reference": 600}, "precision_recall": {"reference": 250}}
    assert "250 of them for precision_recall" in done.out
    _, again = evaluated(command, tmp_path, "real=X", "fake=X", "num=250", *FOLDERS)
    _, other = evaluated(command, tmp_path, "real=X", "fake=X", "num=250", "seed=1", *FOLDERS)
    assert again["scores"] == found["scores"] != other["scores"]


def test_the_protocol_says_what_was_used(sorted_folder, command, tmp_path):
    images(tmp_path / "ten", [60, 200] * 5)
    done, found = evaluated(command, tmp_path, "real=X", "fake=ten", "num=2500", *FOLDERS)
    assert found["protocol"]["samples"] == {"fid": 10, "precision_recall": 10}
    assert found["protocol"]["requested"] == {"fid": 2500, "precision_recall": 2500}
    assert "10 for fid (of 2500 requested)" in done.out


def test_a_run_on_a_sorted_folder_has_a_floor_near_0_and_says_what_it_used(sorted_folder, command, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_lightning.metric.reference.MAX_SAMPLES", 20)
    done = command("gan-train", *RUN, "metric.fid.num_samples=200", "data.validation=0.2")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    assert result["real"]["fid"] < 0.1 * result["metrics"]["fid"]
    reference = result["protocol"]["reference"]
    assert (reference["split"], reference["samples"], reference["selection"]) == ("validation", 20, "uniform, seed 0")
    assert reference["available"] > 80
    assert result["protocol"]["floor"]["fid"]["split"] == "train"
    (heading,) = (line for line in done.out.splitlines() if "generated" in line and "real" in line)
    (row,) = (line for line in done.out.splitlines() if line.strip().startswith("fid"))
    assert heading.index("real") < heading.index("generated")
    assert [float(x) for x in row.split()[1:]] == pytest.approx([result["real"]["fid"], result["metrics"]["fid"]], rel=1e-3)


def test_the_picture_of_real_samples_shows_all_classes(sorted_folder, command, tmp_path):
    assert command("gan-train", *RUN, "metric=none").code == 0
    picture = np.asarray(Image.open(tmp_path / "r" / "samples" / "step=00000000_real.png").convert("L"))
    dark, bright = (picture > 40) & (picture < 110), picture > 150
    assert 0.3 < dark.sum() / bright.sum() < 3


EMPTY = (
    "compares with at least 2 real samples of the validation split, which has 0; "
    "use a larger share, such as data.validation=0.2, or metric=none"
)


@pytest.mark.parametrize("line", [("data.validation=0",), ("data.root=few", "data.batch_size=4", "data.validation=0.001")])
def test_a_split_that_is_empty_is_refused_before_training(sorted_folder, command, tmp_path, line):
    images(tmp_path / "few", [60, 200] * 6)
    done = command("gan-train", *RUN, *line)
    assert (done.code, done.err) == (2, f"metric.fid: {EMPTY}\n")
    assert not (tmp_path / "r").exists()
    assert command("gan-train", *RUN, *line, "metric=none").code == 0
    done = command("gan-evaluate", "run=r", "metric=fid", "split=validation")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith("split=validation: this split of the data is empty; use split=train")
