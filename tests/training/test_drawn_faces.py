"""Drawn faces from a folder of RGBA files and a table: trained, scored, resumed bit by bit, and sampled."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tiny_gan import equal

SHEET = Path(__file__).parents[1] / "metric" / "drawn_faces"
TINY = ("experiment=drawn_faces_32", "data.root=faces", "data.labels=faces.csv:skinColor", "data.num_classes=4")
TINY += ("data.batch_size=8", "data.validation=0.2", "data.test=0.2", "model.width=4", "optimizer/schedule=constant")
TINY += ("regularizer=none", "metric=factor_coverage_frequent", "metric.factor_coverage.num_samples=20", "seed=3")


def write_faces(folder):
    """Cut the sheet into 64 files with transparent corners, and put the table beside the folder."""
    (folder / "faces").mkdir()
    sheet = Image.open(SHEET / "faces.png").convert("RGBA")
    for i in range(64):
        face = sheet.crop((i % 8 * 64, i // 8 * 64, i % 8 * 64 + 64, i // 8 * 64 + 64))
        face.putpixel((0, 0), (0, 0, 0, 0))
        face.save(folder / "faces" / f"{i:06}.png")
    (folder / "faces.csv").write_text((SHEET / "parts.csv").read_text())


def checkpoint(run, step):
    return torch.load(run / "checkpoints" / f"step={step:08d}.ckpt", weights_only=True)


def test_a_folder_and_its_table(command, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LIGHTNING_CACHE", str(tmp_path / "cache"))
    write_faces(tmp_path)
    whole = command("gan-train", *TINY, "trainer.max_steps=4", "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    assert f"the labels of 64 images come from {tmp_path}/faces.csv:skinColor" in whole.err
    metrics = json.loads((tmp_path / "whole" / "result.json").read_text())["metrics"]
    assert {"values", "confident", "joint_kl_excess"} <= metrics.keys()
    assert command("gan-train", *TINY, "trainer.max_steps=2", "hydra.run.dir=part").code == 0
    rest = command("gan-train", "run=part", "trainer.max_steps=4")
    assert rest.code == 0, rest.err
    one, other = (checkpoint(tmp_path / name, 4) for name in ("whole", "part"))
    assert all(equal(one[part], other[part]) for part in ("state_dict", "optimizer_states", "global_step"))
    assert not equal(one["state_dict"], checkpoint(tmp_path / "part", 2)["state_dict"])
    assert command("gan-sample", "run=part", "num=4", "labels=[2]", "out=drawn/").code == 0
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [np.asarray(Image.open(path)).shape for path in drawn] == [(32, 32, 3)] * 4
    (tmp_path / "faces.csv").write_text((SHEET / "parts.csv").read_text().replace("#9e5622", "#9e5623", 1))
    changed = command("gan-train", "run=part", "trainer.max_steps=5")
    assert (changed.code, changed.err.count("\n")) != (0, 0)
    assert "faces.csv:skinColor has 5 classes" in changed.err
